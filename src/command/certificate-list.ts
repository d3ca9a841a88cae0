// A list of certificates as people have it: arguments, or a text with one per line.

/** One certificate as it was written, not yet looked at. */
export interface Listed {
  /** E.g. `line 3` or `argument 1`: where a person finds it. */
  readonly where: string;
  readonly text: string;
}

/** The certificates of a text, one per line. Blank lines, and all from a `#` on, are comments. */
export function listedInText(text: string): readonly Listed[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .map((line, at) => ({ where: `line ${at + 1}`, text: withoutComment(line).trim() }))
    .filter((listed) => listed.text !== '');
}

/** The certificates of a command line. */
export function listedAsArguments(given: readonly string[]): readonly Listed[] {
  return given.map((text, at) => ({ where: `argument ${at + 1}`, text: text.trim() }));
}

function withoutComment(line: string): string {
  return line.replace(/(?:^|\s)#.*$/, '');
}
