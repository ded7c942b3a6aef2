/** Language tags of runs: "und" is unknown, and one that the browser does not take counts as unknown too. */

/** The tag, or "" for a language that is not known. */
export function known(code) {
  try {
    return code === "und" || !code ? "" : Intl.getCanonicalLocales(code)[0];
  } catch {
    return "";
  }
}

export function languageName(code, otherwise) {
  return known(code) ? new Intl.DisplayNames(["en"], { type: "language" }).of(known(code)) : otherwise;
}
