// Bodies by the thousand: nonsense, broken JSON, bombs, wrong types, and what is nearly a request. Each
// is one that SQS takes.

import * as fc from 'fast-check';
import type { Random } from '../../src/clock.ts';
import { bodies, largeBodies } from '../helpers/body.ts';
import { oneOf, shuffled, whole } from '../simulation/chance.ts';
import type { Due } from './history.ts';
import type { Order } from './world.ts';

/** What SQS refuses at the door (AWS docs, SendMessage: "the following Unicode characters"). */
const refusedBySqs = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/;

const allLanes = ['incident', 'alert', 'rotation'] as const;

type Fuzz = (chance: Random, certificateId: string) => readonly [body: string, due: Due['kind']];

const kinds: readonly [Fuzz, ...Fuzz[]] = [
  (chance) => [noise(chance, whole(chance, 1, 300)), 'refuse'],
  (chance, id) => {
    const text = goodBody(chance, id);
    return [text.slice(0, whole(chance, 1, text.length - 1)), 'refuse'];
  },
  (chance) => {
    const [open, close] = oneOf<readonly [string, string]>(chance, [['[', ']'], ['{"a":', '}']]); // prettier-ignore
    const depth = whole(chance, 33, 3000);
    return [`${open.repeat(depth)}1${chance() < 0.5 ? close.repeat(depth) : ''}`, 'refuse'];
  },
  (chance, id) => {
    const wrong = oneOf<unknown>(chance, [
      null,
      7,
      true,
      [],
      {},
      ['REVOKED'],
      '',
      'Revoked',
      'ACTIVE',
    ]);
    return [JSON.stringify({ certificateId: id, newStatus: wrong }), 'refuse'];
  },
  (chance) => {
    const wrong = oneOf<unknown>(chance, [null, 7, {}, '', 'c'.repeat(63), 'z'.repeat(64)]);
    return [JSON.stringify({ certificateId: wrong, newStatus: 'REVOKED' }), 'refuse'];
  },
  (chance, id) => [
    JSON.stringify({ certificateId: id, newStatus: 'REVOKED', reason: noise(chance, 5) }),
    'refuse',
  ],
  (chance, id) => [
    `${goodBody(chance, id)}${oneOf(chance, ['x', '{}', ',', ']', '\u00A0'])}`,
    'refuse',
  ],
  (chance, id) => [goodBody(chance, id), 'serve'],
  (chance, id) => [edited(chance, goodBody(chance, id)), 'either'],
];

/**
 * `count` bodies for these certificates, one of which is asked for by each that is good.
 *
 * @param seed of fast-check's share, a tenth
 */
export function fuzzed(
  chance: Random,
  seed: number,
  count: number,
  certificateIds: readonly [string, ...string[]],
): readonly Order[] {
  const sampled = fc.sample(bodies(), { numRuns: Math.floor(count / 10), seed });
  const large = Object.values(largeBodies).slice(0, Math.ceil(count / 500));
  const foreign = [...sampled, ...large].map((body): Order => {
    return { lane: oneOf(chance, allLanes), body, due: { kind: 'either' } };
  });
  const orders = foreign.filter(({ body }) => isTaken(body));
  while (orders.length < count) {
    const certificateId = oneOf(chance, certificateIds as [string, ...string[]]);
    const [body, kind] = oneOf(chance, kinds as [Fuzz, ...Fuzz[]])(chance, certificateId);
    const due: Due = kind === 'serve' ? { kind, certificateId, status: 'REVOKED' } : { kind };
    if (isTaken(body)) orders.push({ lane: oneOf(chance, allLanes), body, due });
  }
  return shuffled(chance, orders);
}

function isTaken(body: string): boolean {
  return body !== '' && !refusedBySqs.test(body) && Buffer.byteLength(body) <= 1_000_000;
}

/** A valid request for REVOKED, dressed in this and that. */
function goodBody(chance: Random, id: string): string {
  const certificateId = oneOf(chance, [id, id, id.toUpperCase()]);
  const named =
    chance() < 0.3
      ? { certificateArn: `arn:aws:iot:us-east-1:000000000000:cert/${id}` }
      : { certificateId };
  return JSON.stringify(
    {
      ...named,
      newStatus: 'REVOKED',
      ...(chance() < 0.3 && { requestedBy: noise(chance, 12) }),
      ...(chance() < 0.3 && { comment: noise(chance, 60) }),
      ...(chance() < 0.3 && { anything: [1, { deeper: [null, noise(chance, 9)] }] }),
    },
    undefined,
    chance() < 0.2 ? '\t' : undefined,
  );
}

/** With one to three characters cut, doubled, or replaced. */
function edited(chance: Random, body: string): string {
  let text = body;
  for (let left = whole(chance, 1, 3); left > 0; left--) {
    const at = whole(chance, 0, text.length - 1);
    const put = oneOf(chance, [
      '',
      noise(chance, 1),
      text.slice(at, at + 2),
      '"',
      '}',
      ',',
      '\\u0000',
      'A',
    ]);
    text = text.slice(0, at) + put + text.slice(at + whole(chance, 0, 2));
  }
  return text;
}

/** Characters that SQS takes, from every plane that it has. */
function noise(chance: Random, length: number): string {
  let text = '';
  while (text.length < length) {
    const code = chance() < 0.7 ? whole(chance, 0x20, 0x7e) : whole(chance, 0x20, 0xfffd);
    const character = String.fromCharCode(code);
    if (!refusedBySqs.test(character)) text += character;
  }
  return text;
}
