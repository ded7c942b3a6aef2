/** The page: chooses a run, asks for what is typed or dropped, and shows the answer. */

import { card, caption, models, Problem, translate, useKey } from "./api.js";
import { showAlternatives } from "./alternatives.js";
import { byId, make } from "./dom.js";
import { known, languageName } from "./languages.js";
import * as history from "./history.js";
import * as pictures from "./pictures.js";
import * as translation from "./translation.js";

// Milliseconds without a key before a text is translated, and after a translation before it enters the history.
const PAUSE = 250;
const SETTLED = 1500;

let runs = [];
let run = null;
let picture = null;
let request = new AbortController();
let pause = 0;
let settled = 0;

/** Runs one request; a later one aborts it, and its answer is dropped. `work` gets the signal that says so. */
async function only(work) {
  request.abort();
  const mine = (request = new AbortController());
  byId("output").ariaBusy = "true";
  try {
    await work(mine.signal);
    if (mine === request) recover();
  } catch (error) {
    if (!mine.signal.aborted) fail(error);
  } finally {
    if (mine === request) byId("output").ariaBusy = "false";
  }
}

function fail(error) {
  if (!(error instanceof Problem)) console.error(error);
  empty();
  byId("reason").textContent = error instanceof Problem ? error.message : "Something on this page failed.";
  byId("unlock").hidden = error.status !== 403;
  byId("problem").hidden = false;
}

function recover() {
  if (byId("problem").contains(document.activeElement)) byId(picture ? "picture" : "source").focus();
  byId("problem").hidden = true;
}

function retry() {
  if (!run) load();
  else if (picture) describe(picture);
  else ask();
}

/** Shows no output. */
function empty() {
  clearTimeout(settled);
  translation.clear(byId("source").value);
  showAlternatives([]);
  byId("copy").hidden = true;
}

function load() {
  return only(async (signal) => {
    runs = await models();
    if (signal.aborted) return;
    byId("run").replaceChildren(...runs.map((one) => make("option", { value: one.name }, title(one))));
    byId("run").disabled = runs.length === 1;
    choose(runs[0]);
  });
}

function choose(next) {
  [run, picture] = [next, null];
  byId("run").value = run.name;
  const isPicture = run.kind === "caption";
  byId("writing").hidden = isPicture;
  byId("showing").hidden = !isPicture;
  byId("preview").hidden = true;
  byId("hint").hidden = isPicture;
  byId("hint-attention").hidden = !run.attention;
  byId("source-name").textContent = isPicture ? "Picture" : languageName(run.source, "Source");
  byId("target-name").textContent = isPicture ? "Caption" : languageName(run.target, "Output");
  [byId("source").lang, byId("output").lang] = [known(run.source), known(run.target)];
  byId("swap").hidden = !reverse();
  byId("about").hidden = !run.card;
  byId("about").open = false;
  ask();
}

/** Translates the text that is there now. */
function ask() {
  clearTimeout(pause);
  clearTimeout(settled);
  const text = byId("source").value;
  if (run?.kind !== "translation" || !text.trim()) {
    request.abort();
    empty();
    byId("output").ariaBusy = "false";
    return;
  }
  const asked = run;
  only(async (signal) => {
    const translations = await translate(asked, text, signal);
    if (signal.aborted || byId("source").value !== text) return;
    translation.show(translations, asked);
    showAlternatives(translations.map((one) => ({ title: one.source, language: known(asked.target), outputs: [one, ...(one.alternatives ?? [])] })));
    byId("copy").hidden = false;
    settled = setTimeout(() => history.remember({ run: asked.name, source: text, text: output() }), SETTLED);
  });
}

function describe(file) {
  picture = file;
  pictures.preview(file);
  const asked = run;
  only(async (signal) => {
    const captions = await caption(asked, await pictures.reduced(file), signal);
    if (signal.aborted || picture !== file) return;
    translation.clear();
    byId("output").textContent = captions[0].text;
    showAlternatives([{ title: "", language: known(asked.target), outputs: captions }]);
    byId("copy").hidden = false;
  });
}

const output = () => byId("output").textContent;
const reverse = () => runs.find((one) => one.kind === "translation" && run.source !== run.target && one.source === run.target && one.target === run.source);

function title({ name, kind, source, target }) {
  if (kind === "caption") return `${name} (captions)`;
  return known(source) || known(target) ? `${name} (${languageName(source, "any")} to ${languageName(target, "any")})` : name;
}

function swap() {
  const [next, text] = [reverse(), output()];
  if (text) byId("source").value = text;
  choose(next);
  byId("source").focus();
}

async function copy() {
  const button = byId("copy");
  try {
    await navigator.clipboard.writeText(output());
    button.textContent = "Copied";
  } catch {
    // Browsers give pages without TLS no clipboard.
    getSelection().selectAllChildren(byId("output"));
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

async function showCard() {
  if (!byId("about").open) return;
  const asked = run;
  let text;
  try {
    text = await card(asked.card);
  } catch (error) {
    text = error.message;
  }
  if (asked === run) byId("card").textContent = text;
}

translation.start();
pictures.start((file) => run?.kind === "caption" && describe(file));
history.start((entry) => {
  const wanted = runs.find((one) => one.name === entry.run) ?? runs.find((one) => one.kind === "translation");
  if (!wanted) return;
  byId("source").value = entry.source;
  choose(wanted);
  byId("source").focus();
});
byId("source").addEventListener("input", () => {
  translation.mirror(byId("source").value);
  clearTimeout(pause);
  clearTimeout(settled);
  pause = setTimeout(ask, PAUSE);
});
byId("run").addEventListener("change", (event) => choose(runs.find((one) => one.name === event.target.value)));
byId("swap").addEventListener("click", swap);
byId("copy").addEventListener("click", copy);
byId("about").addEventListener("toggle", showCard);
byId("retry").addEventListener("click", retry);
byId("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value);
  retry();
});
load();
