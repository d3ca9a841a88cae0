// Reads a JSON body strictly. JSON.parse alone would take the last of two equal keys without a word
// (which certificate was meant?), and would hand on nesting bombs and text that no log can carry.

import { tokenize } from '@humanwhocodes/momoa';
import { quote } from './quote.ts';

/** Arrays and objects inside one another; AWS's own events need fewer than ten. */
export const deepest = 32;

/** Characters. SNS and EventBridge carry no more, and a longer one would keep the process busy. */
const longest = 262_144;

export type Json =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly reason: string };

/** The value of a JSON text (RFC 8259), or why it is not acceptable. */
export function readJson(text: string): Json {
  if (text.trim() === '') return refused('it is empty; a JSON object is expected');
  if (text.length > longest) {
    return refused(`it is ${text.length} characters long; at most ${longest} are expected`);
  }
  if (text.startsWith('\uFEFF')) {
    return refused('it starts with a byte order mark (U+FEFF); JSON in UTF-8 has none');
  }
  if (!text.isWellFormed()) return refused('it holds a lone surrogate, so it is no valid Unicode');
  if (nestedDeeperThan(deepest, text)) {
    return refused(`it is nested more than ${deepest} levels deep`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refused(`it is not JSON (${quote(why).slice(1, -1).replaceAll('\\"', "'")})`);
  }
  const flaw = isPlain(text, value) ? undefined : flawOf(text);
  return flaw === undefined ? { kind: 'json', value } : refused(flaw);
}

function refused(reason: string): Json {
  return { kind: 'refused', reason };
}

/** Looks before anything recursive or costly does; brackets inside strings do not count. */
function nestedDeeperThan(limit: number, text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
    } else if (character === '{' || character === '[') {
      depth++;
      if (depth > limit) return true;
    } else if (character === '}' || character === ']') {
      depth--;
    }
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/**
 * Whether a text needs no closer look: written back it is the same, so it holds no key twice, and
 * without an escape it can hold neither a NUL nor, being well-formed, a lone surrogate.
 */
function isPlain(text: string, value: unknown): boolean {
  return !text.includes('\\') && !text.includes('__proto__') && JSON.stringify(value) === text;
}

/** What valid JSON may still hold that we refuse: equal keys, `__proto__`, NUL, lone surrogates. */
function flawOf(text: string): string | undefined {
  const tokens = tokenize(text, { mode: 'json', ranges: true });
  const keysInScope: Set<string>[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'LBrace') keysInScope.push(new Set());
    if (token.type === 'RBrace') keysInScope.pop();
    if (token.type !== 'String') continue;
    const string = stringAt(text, token.range);
    if (string.includes('\0')) return `${quote(string)} holds a NUL character`;
    if (!string.isWellFormed()) return `${quote(string)} holds a lone surrogate`;
    if (tokens[index + 1]?.type !== 'Colon') continue;
    if (string === '__proto__') return 'it has a key "__proto__"';
    const keys = keysInScope.at(-1);
    if (keys?.has(string) === true) return `it has the key ${quote(string)} twice`;
    keys?.add(string);
  }
  return undefined;
}

function stringAt(text: string, range: readonly number[] | undefined): string {
  const literal = text.slice(range?.[0], range?.[1]);
  return literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
}
