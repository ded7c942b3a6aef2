/** Words, and the model's subwords in each: what attention and probabilities of subwords say about words. */

import { known } from "./languages.js";

/**
 * The words of a sentence and what is between them.
 *
 * @param {string} text the sentence.
 * @param {string[]} pieces its subwords, where ▁ stands for white space and <0x0A> for a byte; perhaps an end mark.
 * @param {string} language its tag.
 * @returns {{text: string, pieces: number[]}[]} their texts make up the sentence; white space has no pieces. Where the
 *   subwords do not spell the sentence, since it was normalised, the whole of it is one entry without pieces.
 */
export function words(text, pieces, language) {
  const spelled = spell(pieces);
  if (solid(text) !== spelled.join("")) return [{ text, pieces: [] }];
  let end = 0;
  const spans = spelled.map((letters) => ({ start: end, end: (end += letters.length) }));
  let place = 0;
  return segments(text, language).map((segment) => {
    const [start, stop] = [place, (place += solid(segment).length)];
    // A piece without letters, such as the first byte of a character, belongs to the word at its place.
    const within = (span) => span.start < stop && Math.max(span.end, span.start + 1) > start;
    return { text: segment, pieces: stop > start ? [...spans.keys()].filter((index) => within(spans[index])) : [] };
  });
}

/** The probability that the model gave a word, as the product of its subwords'. */
export function probability(word, tokens) {
  return Math.exp(word.pieces.reduce((sum, index) => sum + tokens[index].log_prob, 0));
}

/** How much of the attention, while a target word was written, was on a source word: between 0 and 1. */
export function attention(weights, target, source) {
  if (!target.pieces.length) return 0;
  const rows = target.pieces.map((row) => source.pieces.reduce((sum, column) => sum + weights[row][column], 0));
  return rows.reduce((sum, weight) => sum + weight, 0) / rows.length;
}

const solid = (text) => text.replace(/[\s▁]/g, "");

function segments(text, language) {
  if (!Intl.Segmenter) return text.split(/(\s+)/);
  const segmenter = new Intl.Segmenter(known(language) || undefined, { granularity: "word" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** The letters that each subword adds. Bytes add theirs with the last of their run; the end mark adds none. */
function spell(pieces) {
  const bytes = [];
  return pieces.map((piece, index) => {
    if (piece === "</s>" && index === pieces.length - 1) return "";
    const byte = /^<0x([0-9A-F]{2})>$/.exec(piece);
    if (!byte) return solid(piece);
    bytes.push(Number.parseInt(byte[1], 16));
    if (/^<0x[0-9A-F]{2}>$/.test(pieces[index + 1] ?? "")) return "";
    return solid(new TextDecoder().decode(new Uint8Array(bytes.splice(0))));
  });
}
