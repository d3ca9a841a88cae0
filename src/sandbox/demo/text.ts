// Words, numbers and colours as the demo writes them.

/** Colours a text, where colours are wanted. */
export type Paint = (style: 'bold' | 'cyan' | 'dim' | 'green' | 'red', text: string) => string;

/** E.g. `3.4 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** The text on at most `width` columns, with … where it was cut. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
