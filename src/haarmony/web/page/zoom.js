// One picture, large: pictures of equal size take each other's place where the eye rests.

import { say } from "./words.js";

const at = (id) => document.getElementById(id);
const dialog = at("zoom"), view = at("view"), image = view.querySelector("img");
let pictures = [], shown = 0, enlarged = false, choose = () => {};

// pictures: [{ source, name, size: [width, height], output }], the outputs after content and style.
export const openZoom = (list, start, onChoose) => {
  pictures = list;
  choose = onChoose;
  enlarged = false;
  dialog.showModal();
  show(start);
  view.focus();
};

export const zoomIsOpen = () => dialog.open;

const show = (index) => {
  const kept = centre();
  shown = (index + pictures.length) % pictures.length;
  const { source, name, output } = pictures[shown];
  image.src = source;
  image.alt = name;
  at("zoom-name").textContent = name;
  at("zoom-choose").hidden = output === undefined;
  at("zoom-choose").textContent = say("choose");
  at("zoom-close").textContent = say("close");
  size(kept);
};

const centre = () => ({
  x: (view.scrollLeft + view.clientWidth / 2) / Math.max(view.scrollWidth, 1),
  y: (view.scrollTop + view.clientHeight / 2) / Math.max(view.scrollHeight, 1),
});

const size = ({ x, y }) => {
  const [width, height] = pictures[shown].size;
  const fit = Math.min(view.clientWidth / width, view.clientHeight / height);
  const scale = enlarged ? Math.max(2 * fit, 1 / devicePixelRatio) : fit;
  image.style.width = `${Math.floor(width * scale)}px`;
  image.style.height = `${Math.floor(height * scale)}px`;
  view.classList.toggle("enlarged", enlarged);
  at("zoom-scale").textContent = say(enlarged ? "fit" : "full");
  view.scrollLeft = x * view.scrollWidth - view.clientWidth / 2;
  view.scrollTop = y * view.scrollHeight - view.clientHeight / 2;
};

const scaleAt = (x, y) => {
  enlarged = !enlarged;
  size({ x, y });
};

const chooseShown = () => {
  const { output } = pictures[shown];
  if (output === undefined) return;
  dialog.close();
  choose(output);
};

at("zoom-before").onclick = () => show(shown - 1);
at("zoom-after").onclick = () => show(shown + 1);
at("zoom-scale").onclick = () => scaleAt(0.5, 0.5);
at("zoom-choose").onclick = chooseShown;
at("zoom-close").onclick = () => dialog.close();
addEventListener("resize", () => dialog.open && size(centre()));

let grabbed = null, dragged = false;
view.onpointerdown = (event) => {
  dragged = false;
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  event.preventDefault();
  grabbed = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
};
addEventListener("pointermove", (event) => {
  if (!grabbed) return;
  const left = grabbed.x - event.clientX, top = grabbed.y - event.clientY;
  dragged ||= Math.hypot(left - view.scrollLeft, top - view.scrollTop) > 4;
  view.scrollTo(left, top);
});
addEventListener("pointerup", () => { grabbed = null; });
view.onclick = (event) => {
  if (dragged) return;
  const box = image.getBoundingClientRect();
  scaleAt((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};

dialog.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const first = pictures.findIndex(({ output }) => output !== undefined);
  if (event.key === "ArrowLeft") show(shown - 1);
  else if (event.key === "ArrowRight") show(shown + 1);
  else if (/^[1-9]$/.test(event.key) && first + Number(event.key) - 1 < pictures.length) show(first + Number(event.key) - 1);
  else if (event.key === "Enter" && event.target.tagName !== "BUTTON") chooseShown();
  else return;
  event.preventDefault();
  event.stopPropagation();
};
