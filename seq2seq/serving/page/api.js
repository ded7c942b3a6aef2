/** The server's API. Whatever fails is a Problem, whose message can be shown; a request that was aborted is an AbortError. */

export class Problem extends Error {
  /** `status`: of the server's answer; 0 if there was none. */
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

let key = "";

/** Shows this key to the server from now on. It is forgotten with the page. */
export function useKey(text) {
  key = text;
}

export async function models() {
  return (await ask("v1/models")).models;
}

export async function card(address) {
  // The server's addresses begin with a slash; the page may live below another path.
  return ask(address.replace(/^\//, ""), {}, (response) => response.text());
}

/** Translations of a text's sentences, with alternatives, tokens' probabilities, and attention where there is some. */
export async function translate(run, text, signal) {
  const body = { model: run.name, text, nbest: Math.min(run.beam, 5), tokens: true, alignments: run.attention };
  const headers = { "Content-Type": "application/json" };
  return (await ask("v1/translate", { method: "POST", body: JSON.stringify(body), headers, signal })).translations;
}

/** Captions of a picture, best first. */
export async function caption(run, picture, signal) {
  const body = new FormData();
  body.append("image", picture);
  body.append("model", run.name);
  body.append("nbest", String(Math.min(run.beam, 5)));
  return (await ask("v1/caption", { method: "POST", body, signal })).captions;
}

async function ask(path, options = {}, content = (response) => response.json()) {
  const headers = key ? { ...options.headers, Authorization: `Bearer ${key}` } : options.headers;
  try {
    const response = await fetch(path, { ...options, headers });
    if (!response.ok) throw new Problem(await reason(response), response.status);
    return await content(response);
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached.");
  }
}

async function reason(response) {
  try {
    return `The server refused: ${(await response.json()).error}`;
  } catch {
    return `The server failed, with status ${response.status}.`;
  }
}
