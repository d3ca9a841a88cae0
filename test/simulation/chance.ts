// Everything that a simulated world leaves to luck, from one seed. Each part of the world draws from a
// stream of its own, so that a plan with a step less is still lucky in the same places.

import type { Random } from '../../src/clock.ts';

/** Numbers in [0, 1) that a seed and a stream's name determine (mulberry32 of an FNV-1a hash). */
export function chanceOf(seed: number, stream: string): Random {
  let state = 0x811c9dc5 ^ seed;
  for (let at = 0; at < stream.length; at++) {
    state = Math.imul(state ^ stream.charCodeAt(at), 0x01000193);
  }
  state = Math.imul(state ^ (seed >>> 16), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`. */
export function whole(chance: Random, least: number, most: number): number {
  return least + Math.floor(chance() * (most - least + 1));
}

export function oneOf<T>(chance: Random, choices: readonly [T, ...T[]]): T {
  return choices[whole(chance, 0, choices.length - 1)] ?? choices[0];
}

/** The same, in another order. */
export function shuffled<T>(chance: Random, all: readonly T[]): T[] {
  const keyed = all.map((one) => ({ one, key: chance() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
}
