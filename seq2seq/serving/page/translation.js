/** The translation and what it says of its words: doubt as a tint, attention between words as a highlight. */

import { byId, make } from "./dom.js";
import { attention, probability, words } from "./words.js";

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Words on the page by their elements: {sentence, side, word}. */
const places = new Map();
let sentences = [];
/** The element whose attention is shown, and whether it stays so. */
let active = null;
let pinned = false;

export function show(translations, run) {
  clear();
  sentences = translations.map((one) => ({
    ...one,
    words: { source: words(one.source, one.alignment?.source ?? [], run.source), target: words(one.text, tokens(one), run.target) },
    elements: { source: [], target: [] },
  }));
  byId("output").replaceChildren(...sentences.flatMap((one) => [...spans(one, "target"), one.space]));
  byId("mirror").replaceChildren(...sentences.flatMap((one) => [...spans(one, "source"), one.space]), "\n");
  if (sentences.some((one) => one.alignment)) byId("output").tabIndex = 0;
  rest();
}

/** Shows nothing but the text that is being written. */
export function clear(text = "") {
  places.clear();
  [sentences, active, pinned] = [[], null, false];
  byId("output").replaceChildren();
  byId("output").removeAttribute("tabindex");
  mirror(text);
  byId("detail").textContent = "";
}

/** Lays the text under the field, which so grows with it; words are marked again with the next translation. */
export function mirror(text) {
  byId("mirror").textContent = `${text}\n`;
}

const tokens = (one) => (one.tokens ?? []).map((token) => token.text);

function spans(sentence, side) {
  return sentence.words[side].map((word) => {
    if (!word.pieces.length) return word.text;
    const element = make("span", { className: "word" }, word.text);
    if (side === "target") element.style.setProperty("--doubt", (1 - probability(word, sentence.tokens)).toFixed(3));
    sentence.elements[side].push(element);
    places.set(element, { sentence, side, word });
    return element;
  });
}

function light(element) {
  if (element === active) return;
  for (const lit of document.querySelectorAll(".lit, .active")) lit.classList.remove("lit", "active");
  active = element;
  if (!element) return rest();
  const { sentence, side, word } = places.get(element);
  element.classList.add("active");
  const parts = [];
  if (sentence.alignment) {
    const { weights } = sentence.alignment;
    for (const other of sentence.elements[side === "target" ? "source" : "target"]) {
      const partner = places.get(other).word;
      const weight = side === "target" ? attention(weights, word, partner) : attention(weights, partner, word);
      other.style.setProperty("--weight", weight.toFixed(3));
      other.classList.toggle("lit", weight >= 0.05);
      if (weight >= 0.05) parts.push([weight, partner.text]);
    }
  }
  parts.sort((one, two) => two[0] - one[0]);
  const named = parts.slice(0, 3).map(([weight, text]) => `“${text}” ${percent(weight)}`).join(", ");
  const sure = side === "target" ? `, probability ${percent(probability(word, sentence.tokens))}` : "";
  const link = side === "target" ? "; read" : "; read for";
  byId("detail").textContent = `“${word.text}”${sure}${named && `${link} ${named}`}`;
}

/** What is said while no word is pointed at. */
function rest() {
  byId("detail").textContent = sentences.some((one) => one.cut) ? "Too long: only the beginning of a sentence was read." : "";
}

function pin(element) {
  pinned = !(pinned && element === active);
  light(pinned ? element : null);
  byId("output").classList.toggle("pinned", pinned);
}

const wordAt = (event) => document.elementsFromPoint(event.clientX, event.clientY).find((one) => places.has(one)) ?? null;

function steer(event) {
  const all = sentences.flatMap((one) => one.elements.target);
  const now = all.indexOf(active);
  const next = { ArrowRight: now + 1, ArrowLeft: Math.max(now, 1) - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Escape") {
    pinned = false;
    light(null);
  } else if (next !== undefined && all.length) {
    event.preventDefault();
    pinned = false;
    light(all[Math.min(next, all.length - 1)]);
  } else if ((event.key === "Enter" || event.key === " ") && active) {
    event.preventDefault();
    pin(active);
  }
}

/** Listens to pointer and keys. */
export function start() {
  // The source's words lie under the field where they are typed, so both sides are looked up by place.
  for (const side of [byId("source"), byId("output")]) {
    side.addEventListener("pointermove", (event) => pinned || light(wordAt(event)));
    side.addEventListener("pointerleave", () => pinned || light(null));
  }
  byId("output").addEventListener("click", (event) => places.has(event.target) && pin(event.target));
  byId("output").addEventListener("keydown", steer);
  byId("output").addEventListener("blur", () => pinned || light(null));
}
