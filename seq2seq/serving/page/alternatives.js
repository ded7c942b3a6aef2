/** Outputs of the n-best lists with their probabilities. */

import { byId, make } from "./dom.js";

/** @param {{title: string, language: string, outputs: {text: string, log_prob: number}[]}[]} lists one for each sentence. */
export function showAlternatives(lists) {
  const several = lists.filter((list) => list.outputs.length > 1);
  byId("alternatives").hidden = several.length === 0;
  byId("choices").replaceChildren(
    ...several.map((list, index) =>
      lists.length === 1
        ? table(list)
        : make("details", { open: index === 0 }, make("summary", { dir: "auto" }, list.title), table(list)),
    ),
  );
}

function table({ outputs, language }) {
  const best = Math.max(...outputs.map((output) => output.log_prob));
  return make("ol", { className: "choices" }, ...outputs.map((output) => row(output, best, language)));
}

function row({ text, log_prob: logProb }, best, language) {
  const bar = make("span", { className: "bar" });
  bar.style.setProperty("--share", Math.exp(logProb - best).toFixed(3));
  const number = make("span", { className: "number" }, ...percent(logProb));
  return make("li", {}, number, bar, make("span", { lang: language, dir: "auto" }, text || "(nothing)"));
}

/** Two digits, whatever the size: 12 %, 0.0031 %, 4 × 10⁻⁹ %. */
function percent(logProb) {
  const value = 100 * Math.exp(logProb);
  if (value >= 0.0001) return [`${Number(value.toPrecision(2))} %`];
  // From the logarithm, since the probability of a long output may be too small for a number.
  const exponent = Math.floor(logProb / Math.LN10) + 2;
  const digit = Math.floor(10 ** (logProb / Math.LN10 + 2 - exponent));
  return [`${digit} × 10`, make("sup", {}, `−${-exponent}`), " %"];
}
