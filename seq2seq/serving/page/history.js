/** What was translated here before; it stays in this browser. */

import { byId, make } from "./dom.js";

const NAME = "seq2seq history";
const MOST = 50;

let choose = () => {};

/** @param {(entry: {run: string, source: string, text: string}) => void} onChoice takes an entry that is clicked. */
export function start(onChoice) {
  choose = onChoice;
  byId("forget").addEventListener("click", () => {
    save([]);
    byId("source").focus();
  });
  addEventListener("storage", display);
  display();
}

/** Adds an entry on top; one that was typed on from the entry there takes its place. */
export function remember(entry) {
  const entries = load().filter((old) => old.source !== entry.source || old.run !== entry.run);
  const [last] = entries;
  const isContinued = last && last.run === entry.run && (entry.source.startsWith(last.source) || last.source.startsWith(entry.source));
  save([entry, ...(isContinued ? entries.slice(1) : entries)].slice(0, MOST));
}

function load() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? [];
  } catch {
    return []; // storage is blocked, or something else wrote there
  }
}

function save(entries) {
  try {
    localStorage.setItem(NAME, JSON.stringify(entries));
  } catch {
    // Blocked or full: the page works without a history.
  }
  display();
}

function display() {
  const entries = load();
  byId("history").hidden = entries.length === 0;
  byId("entries").replaceChildren(
    ...entries.map((entry) => {
      const parts = [make("span", { dir: "auto" }, entry.source), make("span", { dir: "auto", className: "note" }, entry.text)];
      return make("li", {}, make("button", { type: "button", className: "entry", onclick: () => choose(entry) }, ...parts));
    }),
  );
}
