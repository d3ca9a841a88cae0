// Shows a value that came from outside inside a sentence of ours: short, on one line, harmless.

const longest = 80;

/**
 * `value` as it would stand in JSON, cut to about 80 characters, with control characters, line
 * separators, bidirectional marks and lone surrogates escaped.
 */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing';
  return harmless(typeof value === 'string' ? JSON.stringify(cut(value)) : compound(value));
}

/** JSON that means the same, without what a terminal obeys, or a reader is misled by. */
export function harmless(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function compound(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `an object`;
  return cut(String(value));
}

function cut(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
