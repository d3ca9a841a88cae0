// What a scenario is, and how it is run: a world, what happens in it, and the checker afterwards.

import { setTimeout as passes } from 'node:timers/promises';
import type { Message } from '@aws-sdk/client-sqs';
import { DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { Random } from '../../src/clock.ts';
import { lanes } from '../../src/lane.ts';
import { chanceOf } from '../simulation/chance.ts';
import { check, type FoundLetter } from './checker.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** How much of everything. */
export interface Size {
  /** Kills, in the scenarios that kill. */
  readonly kills: number;
  /** Bodies of the fuzzed scenario. */
  readonly bodies: number;
  /** Messages of the long scenario. */
  readonly messages: number;
  /** What takes longer has failed, ms. */
  readonly limitMs: number;
}

export interface Stage {
  readonly world: World;
  readonly chance: Random;
  readonly seed: number;
  readonly size: Size;
  /** Registers certificates; the checker looks at all of them. */
  readonly certificates: (count: number) => Promise<readonly string[]>;
  /** What is wrong that the checker cannot see. */
  readonly complain: (violation: string) => void;
  /** What the report tells of this scenario besides. */
  readonly tell: (figure: string, value: number) => void;
}

export interface Scenario {
  readonly name: string;
  /** What goes wrong, in one line. */
  readonly what: string;
  readonly world?: (chance: Random) => Omit<WorldOptions, 'chance'>;
  /** Whether the lanes are empty at its end. Default true. */
  readonly endsEmpty?: boolean;
  /** A program without which it is skipped. */
  readonly needs?: string;
  readonly play: (stage: Stage) => Promise<void>;
}

export interface Report {
  readonly name: string;
  readonly seed: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

/** Plays a scenario once. It does not reject: what throws is a violation. */
export async function play(scenario: Scenario, seed: number, size: Size): Promise<Report> {
  const { name, endsEmpty = true } = scenario;
  const chance = chanceOf(seed, name);
  const violations: string[] = [];
  const figures = new Map<string, number>();
  const beganMs = performance.now();
  try {
    await using world = await createWorld({ ...scenario.world?.(chance), chance });
    const ids: string[] = [];
    const played = scenario.play({
      world,
      chance,
      seed,
      size,
      certificates: async (count) => {
        const seeded = await world.sandbox.iot.seed({ count });
        ids.push(...seeded);
        return seeded;
      },
      complain: (violation) => violations.push(violation),
      tell: (figure, value) => figures.set(figure, (figures.get(figure) ?? 0) + value),
    });
    if (!(await isWithin(size.limitMs, played))) {
      const last = world.history.happenings.slice(-5).map((one) => JSON.stringify(one));
      throw new Error(
        `it does not end within ${size.limitMs / 1000} s; at last: ${last.join(' ')}`,
      );
    }
    const { happenings } = world.history;
    const left = await Promise.all(lanes.map(world.depth));
    violations.push(
      ...check({
        happenings,
        statuses: new Map(ids.map((id) => [id, String(world.sandbox.iot.status(id))])),
        left: left.reduce((sum, { visible, hidden }) => sum + visible + hidden, 0),
        letters: await lettersOf(world),
        endsEmpty,
      }),
    );
    count(world, ids, figures);
  } catch (error) {
    violations.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  figures.set('ms', Math.round(performance.now() - beganMs));
  return { name, seed, figures: Object.fromEntries(figures), violations };
}

/** Whether work is over in time. */
async function isWithin(limitMs: number, work: Promise<void>): Promise<boolean> {
  const over = new AbortController();
  const late = passes(limitMs, false, { signal: over.signal }).catch(() => false);
  const inTime = await Promise.race([work.then(() => true), late]);
  over.abort();
  return inTime;
}

/** Takes all dead letters out of their queue. */
async function lettersOf(world: World): Promise<readonly FoundLetter[]> {
  const QueueUrl = world.sandbox.queues.urls.deadLetter;
  const { operator } = world;
  const found: Message[] = [];
  for (;;) {
    const { Messages = [] } = await operator.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
      }),
    );
    if (Messages.length === 0) break;
    found.push(...Messages);
    await operator.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: Messages.map(({ ReceiptHandle }, n) => ({ Id: String(n), ReceiptHandle })),
      }),
    );
  }
  return found.map(({ Body = '', MessageAttributes = {} }) => ({
    body: Body,
    attributes: Object.fromEntries(
      Object.entries(MessageAttributes).map(([name, { StringValue = '' }]) => [name, StringValue]),
    ),
  }));
}

function count(world: World, ids: readonly string[], figures: Map<string, number>): void {
  const { happenings } = world.history;
  const of = (kind: string): number => happenings.filter((one) => one.kind === kind).length;
  const done = new Map<string, number>();
  for (const one of world.sandbox.iot.calls) {
    if (one.operation !== 'UpdateCertificate' || !one.applied) continue;
    const key = `${one.certificateId} ${one.newStatus}`;
    done.set(key, (done.get(key) ?? 0) + 1);
  }
  figures.set('processes', of('began'));
  figures.set('messages', of('sent'));
  figures.set('certificates', ids.length);
  figures.set('calls', of('call'));
  figures.set(
    'repeated',
    [...done.values()].reduce((sum, calls) => sum + calls - 1, 0),
  );
  const away = happenings.flatMap((one) =>
    one.kind === 'line' && one.line['event'] === 'ledger-away' ? [one.process] : [],
  );
  if (away.length > 0) figures.set('without ledger', new Set(away).size);
  figures.set('letters', of('letter'));
  figures.set('faults', of('fault') + of('struck') + happenings.filter((one) => one.kind === 'answer' && one.answer !== 'ok').length); // prettier-ignore
}
