// The study: one question at a time about one item. A vote is kept in this browser until the server has it.

import { openZoom, zoomIsOpen } from "./zoom.js";
import { say, switchLanguage } from "./words.js";

const PAUSE = 400; // ms in which a second press of an impatient finger answers no further question
const RETRY = 1500; // ms
const at = (id) => document.getElementById(id);
const picture = (name) => `/pictures/${name}`;

let ballot, place = 0, quietUntil = 0, note = null, state = null;
let unsaved = []; // votes in their order, the first being sent

const steps = () => ballot.items.length * ballot.questions.length;
const item = () => ballot.items[Math.floor(place / ballot.questions.length)];
const question = () => ballot.questions[place % ballot.questions.length];
const answer = (step) => {
  const asked = ballot.items[Math.floor(step / ballot.questions.length)].item;
  return ballot.votes[asked]?.[ballot.questions[step % ballot.questions.length]];
};

// --- votes -------------------------------------------------------------------------------------------------

const kept = () => `haarmony-unsaved-${ballot.voter}`;

const keep = () => {
  if (unsaved.length) localStorage.setItem(kept(), JSON.stringify(unsaved));
  else localStorage.removeItem(kept());
};

const mark = (vote) => { (ballot.votes[vote.item] ??= {})[vote.question] = vote.output; };

const choose = (output) => {
  if (performance.now() < quietUntil || note) return;
  quietUntil = performance.now() + PAUSE;
  const vote = { item: item().item, question: question(), output };
  mark(vote);
  unsaved.push(vote);
  keep();
  draw();
  if (unsaved.length === 1) send();
  const answered = place;
  setTimeout(() => { if (place === answered) go(1); }, PAUSE);
};

const later = () => new Promise((done) => setTimeout(done, RETRY));

const send = async () => {
  showState(state === "unsaved" ? state : "saving");
  while (unsaved.length) {
    const reply = await fetch("/votes", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Study-Token": ballot.token },
      body: JSON.stringify(unsaved[0]),
    }).catch(() => null);
    if (reply?.ok || reply?.status === 400) {
      unsaved.shift();
      keep();
      if (!reply.ok) return load(); // the study has no such choice: show what it has
    } else if (reply && (reply.status === 401 || reply.status === 403)) {
      showState("unsaved");
      if (reply.status === 403) await later(); // it may be refused for ever, as where a proxy hides the host
      return load(ballot.open ? unsaved : []); // the cookie is gone or another's
    } else {
      showState("unsaved");
      await later();
    }
  }
  showState("saved");
};

const showState = (now) => {
  state = now;
  at("saving").textContent = now ? say(now) : "";
};

// --- the page ----------------------------------------------------------------------------------------------

// Where anybody may vote, a browser that lost its cookie is a new voter: what it had not saved goes along.
const load = async (left = []) => {
  const reply = await fetch("/ballot").catch(() => null);
  if (reply?.status === 403) return tell("refusedTitle", "refused");
  if (!reply?.ok) {
    tell("errorTitle", "error");
    return setTimeout(() => load(left), RETRY);
  }
  const before = ballot && kept();
  ballot = await reply.json();
  unsaved = JSON.parse(localStorage.getItem(kept()) ?? "[]");
  if (left.length && kept() !== before) {
    unsaved.push(...left);
    keep();
    localStorage.removeItem(before);
  }
  unsaved.forEach(mark);
  const open = [...Array(steps()).keys()].findIndex((step) => !answer(step));
  if (unsaved.length) send();
  if (open < 0) {
    place = steps() - 1;
    return tell("doneTitle", "done");
  }
  place = open;
  tell(null);
};

const tell = (title, text) => {
  note = title && { title, text };
  draw();
};

const go = (by) => {
  if (by > 0 && !answer(place)) return;
  if (place + by >= steps()) return tell("doneTitle", "done");
  place = Math.max(0, place + by);
  draw();
};

const zoom = (start) => {
  const { content, style, outputs, size, styleSize } = item();
  openZoom([
    { source: picture(content), name: say("content"), size },
    { source: picture(style), name: say("style"), size: styleSize },
    ...outputs.map((output, n) => ({ source: picture(output), name: `${say("result")} ${n + 1}`, size, output })),
  ], start, choose);
};

const draw = () => {
  at("language").textContent = say("language");
  showState(state);
  at("main").hidden = Boolean(note) || !ballot;
  at("note").hidden = !note;
  if (note) {
    at("note").querySelector("h1").textContent = say(note.title);
    at("note").querySelector("p").textContent = say(note.text);
    at("again").hidden = note.title !== "doneTitle";
    at("again").textContent = say("open");
    at("progress").value = note.title === "doneTitle" ? 1 : 0;
    at("count").textContent = "";
    return;
  }
  if (!ballot) return;
  const { content, style, outputs } = item();
  at("count").textContent = say("count", Math.floor(place / ballot.questions.length) + 1, ballot.items.length);
  at("progress").value = place / steps();
  for (const [name, file] of [["content", content], ["style", style]]) {
    const image = at(name).querySelector("img");
    if (image.getAttribute("src") !== picture(file)) image.src = picture(file);
    image.alt = at(`${name}-name`).textContent = say(name);
  }
  at("question").textContent = say(question());
  at("question").title = say(`${question()}More`);
  at("steps").replaceChildren(...ballot.questions.map((one) => {
    const dot = document.createElement("li");
    dot.classList.toggle("now", one === question());
    return dot;
  }));
  at("back-name").textContent = say("back");
  at("next-name").textContent = say("next");
  at("back").disabled = place === 0;
  at("next").disabled = !answer(place);
  at("keys").textContent = say("keys");
  if (at("outputs").dataset.item !== item().item) {
    at("outputs").dataset.item = item().item;
    at("outputs").replaceChildren(...outputs.map(card));
    scrollTo(0, 0);
    ahead();
  }
  for (const [n, one] of [...at("outputs").children].entries()) {
    const chosen = answer(place) === outputs[n], button = one.querySelector(".choose");
    one.classList.toggle("chosen", chosen);
    one.querySelector("img").alt = `${say("result")} ${n + 1}`;
    button.setAttribute("aria-pressed", String(chosen));
    button.querySelector(".name").textContent = say(chosen ? "chosen" : "choose");
  }
  arrange();
};

const card = (output, n) => {
  const figure = document.createElement("figure"), look = document.createElement("button");
  const image = new Image(...item().size), button = document.createElement("button");
  const number = document.createElement("kbd"), name = document.createElement("span");
  image.src = picture(output);
  look.type = button.type = "button";
  look.className = "look";
  look.onclick = () => zoom(n + 2);
  look.append(image);
  button.className = "choose";
  button.dataset.output = output;
  button.onclick = () => choose(output);
  name.className = "name";
  number.textContent = n + 1;
  button.append(number, name);
  figure.append(look, button);
  return figure;
};

// The pictures of the next item are fetched while this one is looked at.
const ahead = () => {
  const next = ballot.items[ballot.items.indexOf(item()) + 1];
  if (next) for (const name of [next.content, next.style, ...next.outputs]) new Image().src = picture(name);
};

// As many columns as make the pictures largest where all are to be seen at once; else they scroll.
const arrange = () => {
  const list = at("outputs"), [width, height] = item().size, n = list.children.length, gap = 12, foot = 48;
  const room = { width: list.clientWidth, height: innerHeight - list.getBoundingClientRect().top - scrollY - 40 };
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const across = (room.width - (columns - 1) * gap) / columns;
    const down = ((room.height - (rows - 1) * gap) / rows - foot) * width / height;
    if (Math.min(across, down) > best.width) best = { columns, width: Math.min(across, down) };
  }
  const least = Math.min(room.width, 340);
  if (best.width < least) {
    const columns = Math.max(1, Math.floor((room.width + gap) / (least + gap)));
    best = { columns: Math.min(columns, n), width: (room.width - (Math.min(columns, n) - 1) * gap) / Math.min(columns, n) };
    best.width = Math.min(best.width, Math.max(least, 0.8 * innerHeight * width / height));
  }
  list.style.gridTemplateColumns = `repeat(${best.columns}, ${Math.floor(best.width)}px)`;
};

at("back").onclick = () => go(-1);
at("next").onclick = () => go(1);
at("again").onclick = () => tell(null);
at("content").onclick = () => zoom(0);
at("style").onclick = () => zoom(1);
at("language").onclick = () => { switchLanguage(); draw(); };
addEventListener("resize", () => ballot && !note && arrange());
addEventListener("keydown", (event) => {
  if (zoomIsOpen() || event.repeat || event.ctrlKey || event.metaKey || event.altKey || !ballot) return;
  if (event.key === "ArrowLeft") note?.title === "doneTitle" ? tell(null) : go(-1);
  else if (event.key === "ArrowRight" && !note) go(1);
  else if (/^[1-9]$/.test(event.key) && !note && item().outputs[event.key - 1]) choose(item().outputs[event.key - 1]);
  else return;
  event.preventDefault();
});

draw();
load();
