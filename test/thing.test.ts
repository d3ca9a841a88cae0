import { describe, expect, test } from 'vitest';
import { thingName } from '../src/thing.ts';

describe('the name of a thing', () => {
  test.each(['a', 'Sensor-17_b:c', '0'.repeat(128)])('may be %s', (name) => {
    expect(thingName.parse(name)).toBe(name);
  });

  test.each(['', 'a b', 'a/b', ' a', 'a ', 'a\n', 'ä', '*', '0'.repeat(129), 7, null, undefined])(
    'is none, and what would be one is told: %j',
    (name) => {
      expect(thingName.safeParse(name).error?.issues.map(({ message }) => message)).toEqual([
        '1 to 128 of the characters a-z, A-Z, 0-9, ":", "_" and "-" of a thing’s name are expected',
      ]);
    },
  );
});
