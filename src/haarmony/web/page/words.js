// What the page says, in the languages it speaks.

const words = {
  en: {
    content: "The photo", style: "The photo whose light it should get",
    artefacts: "Which has the fewest artefacts?", artefactsMore: "Halos, blotches, blurred or distorted detail.",
    stylization: "Which has best taken on the light and colours of the example?",
    preference: "Which do you like best?",
    choose: "Choose", chosen: "Chosen", back: "Back", next: "Next", close: "Close", fit: "Whole", full: "Enlarge",
    count: (at, all) => `${at} of ${all}`,
    keys: "Keys: 1 to 9 choose, ← and → go back and on. Press a picture to look closely; there, 1 to 9 and ← → " +
      "change the picture in place and Enter chooses it.",
    saving: "Saving…", saved: "Saved", unsaved: "Not saved yet, trying again…",
    doneTitle: "That was all. Thank you!", done: "Your answers are kept. You may close this page, or go back and change them.",
    open: "Back to the pictures",
    refusedTitle: "This study is by invitation", refused: "Please open the link that you were sent.",
    errorTitle: "The study cannot be reached", error: "Trying again…", language: "한국어", result: "Result",
  },
  ko: {
    content: "원본 사진", style: "빛과 색을 가져올 예시 사진",
    artefacts: "어색한 흔적이 가장 적은 사진은 어느 것인가요?", artefactsMore: "후광, 얼룩, 뭉개지거나 일그러진 부분을 보세요.",
    stylization: "예시 사진의 빛과 색을 가장 잘 옮긴 사진은 어느 것인가요?",
    preference: "가장 마음에 드는 사진은 어느 것인가요?",
    choose: "선택", chosen: "선택함", back: "이전", next: "다음", close: "닫기", fit: "전체", full: "확대",
    count: (at, all) => `${all}개 중 ${at}번째`,
    keys: "단축키: 1~9 선택, ← → 이전과 다음. 사진을 누르면 크게 볼 수 있고, 그 안에서는 1~9와 ← →로 같은 자리에서 " +
      "사진을 바꿔 보며 Enter로 선택합니다.",
    saving: "저장 중…", saved: "저장됨", unsaved: "아직 저장되지 않았습니다. 다시 시도합니다…",
    doneTitle: "모두 마쳤습니다. 감사합니다!", done: "답변이 저장되었습니다. 창을 닫으셔도 되고, 돌아가서 답을 바꾸셔도 됩니다.",
    open: "사진으로 돌아가기",
    refusedTitle: "초대받은 분만 참여할 수 있습니다", refused: "받으신 초대 링크를 열어 주세요.",
    errorTitle: "연결할 수 없습니다", error: "다시 시도합니다…", language: "English", result: "결과",
  },
};

const KEPT = "haarmony-language";
const preferred = () => navigator.languages.find((name) => /^(ko|en)\b/i.test(name)) ?? "en";
let language = localStorage.getItem(KEPT) ?? preferred().slice(0, 2).toLowerCase();
if (!(language in words)) language = "en";
document.documentElement.lang = language;

export const say = (name, ...values) => {
  const text = words[language][name];
  return typeof text === "function" ? text(...values) : text ?? "";
};

export const switchLanguage = () => {
  language = language === "en" ? "ko" : "en";
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = language;
};
