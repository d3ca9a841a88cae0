// Bodies of every kind that a queue may hold, for properties about them.

import * as fc from 'fast-check';
import { bodyOf } from './message.ts';

/** JSON as it might be asked for, with keys that JavaScript or the envelopes give a meaning. */
function jsonTexts(): fc.Arbitrary<string> {
  const keys = fc.constantFrom(
    'certificateId',
    'certificateArn',
    'newStatus',
    'requestId',
    'reason',
    '__proto__',
    'constructor',
    'toString',
    'Type',
    'TopicArn',
    'Message',
    'detail-type',
    'source',
    'detail',
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('Notification', 'REVOKED', 'ACTIVE', bodyOf(), 'c'.repeat(64)),
      fc.array(fc.tuple(keys, tie('tree')), { maxLength: 6 }).map(Object.fromEntries),
      fc.array(tie('tree'), { maxLength: 3 }),
      tie('tree').map((inner) => JSON.stringify(inner)),
    ),
  }));
  return tree.map((value) => JSON.stringify(value));
}

/** A good body with some of its characters cut out, repeated or replaced. */
function mutatedBodies(): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat({ max: 120 }),
    removed: fc.nat({ max: 20 }),
    added: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 5 }),
      fc.constantFrom(
        '\0',
        '\uFEFF',
        '\uD800',
        String.raw`\u0000`,
        String.raw`\uD800`,
        '"',
        '{',
        '[',
      ),
      fc.constantFrom('"__proto__":1,', '"newStatus":"ACTIVE",', '"certificateId":1,'),
    ),
  });
  return fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce(
        (body, { at, removed, added }) => body.slice(0, at) + added + body.slice(at + removed),
        bodyOf({ comment: 'a comment', device: { floor: [1, 2.5, null] } }),
      ),
    );
}

/** Anything that a message body may hold. */
export function bodies(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string(),
    fc.json(),
    jsonTexts(),
    mutatedBodies(),
  );
}

/** The largest body that SQS takes, bytes. */
const largest = 1024 * 1024;

/** Bodies as large as SQS takes them, of the shapes that cost a reader the most. */
export const largeBodies: Readonly<Record<string, string>> = {
  'a nesting bomb of arrays': '['.repeat(largest),
  'a nesting bomb of objects': '{"a":'.repeat(largest / 5),
  'a shallow array of numbers': `[${'1,'.repeat(largest / 2 - 2)}1]`,
  'a shallow array of objects': `[${'{},'.repeat(largest / 3 - 2)}{}]`,
  'as many keys as fit': `{${Array.from({ length: 90_000 }, (_, n) => `"${n}":1`).join(',')}}`,
  'one long string': JSON.stringify('a'.repeat(largest - 2)),
  'a string of escapes': `"${String.raw`\u0041`.repeat(largest / 6 - 2)}"`,
  'quotation marks': '"'.repeat(largest),
  'backslashes in a string that does not end': `"${'\\'.repeat(largest - 1)}`,
  'one number': '9'.repeat(largest),
  spaces: ' '.repeat(largest),
};
