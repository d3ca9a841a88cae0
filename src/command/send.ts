// `iot-revoke send`: one request per certificate, checked before the first goes out, and each one's
// answer looked at. What was not sent is named, certificate by certificate.

import { createBatch } from '../batch.ts';
import type { Clock, Random } from '../clock.ts';
import { queueVariable, type Environment } from '../config.ts';
import { mostPerBatch, type Taken } from '../queue.ts';
import type { Listed } from './certificate-list.ts';
import { destinationOf } from './destination.ts';
import { draftRequests, type Draft } from './draft.ts';
import type { Order } from './order.ts';

/** The queue that requests are sent to. No method rejects. */
export interface Producer extends Disposable {
  readonly queueUrl: string;
  /** Where the queue is; undefined if nothing names a region. */
  readonly region: () => Promise<string | undefined>;
  /** Sends up to 10 bodies; an answer for each, in order. */
  readonly send: (bodies: readonly string[]) => Promise<readonly Taken[]>;
}

export interface SendPorts {
  readonly environment: Environment;
  readonly openQueue: (queueUrl: string, region: string | undefined) => Producer;
  /** Shows a line of the result. */
  readonly print: (line: string) => void;
  /** Shows a line about what went otherwise than asked. */
  readonly complain: (line: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  /** Asked when sending begins: aborts when the person has had enough. */
  readonly interruption: () => AbortSignal;
}

/** Sends an order for a list of certificates. Answers the exit code: 0 if all of them were sent. */
export async function send(
  order: Order,
  list: readonly Listed[],
  ports: SendPorts,
): Promise<0 | 1> {
  const { environment, openQueue, print, complain } = ports;
  const { lane, fields, dryRun } = order;
  const destination = destinationOf(lane, environment);
  using producer =
    destination.kind === 'queue' ? openQueue(destination.queueUrl, destination.region) : undefined;
  const region = await producer?.region();
  const drafting = draftRequests(list, fields, {
    accountId: environment['AWS_ACCOUNT_ID'] || undefined,
    region,
  });
  const problems = [
    ...(destination.kind === 'problem' && !dryRun ? [destination.problem] : []),
    ...(producer !== undefined && region === undefined && !dryRun ? [noRegion] : []),
    ...(drafting.kind === 'problems' ? drafting.problems : []),
  ];
  if (problems.length > 0 || drafting.kind === 'problems') {
    complain(`Nothing was sent, because of ${count(problems.length, 'problem')}:`);
    for (const problem of problems) complain(`  ${problem}`);
    return 1;
  }
  const { drafts, duplicates } = drafting;
  if (duplicates.length > 0) complain(sentOnce(duplicates));
  if (dryRun || producer === undefined) {
    for (const { body } of drafts) print(body);
    complain(`dry run: ${count(drafts.length, 'request')} for ${laneOf(order)}; nothing was sent`);
    return 0;
  }
  const unsent = await sendAll(drafts, producer, ports);
  for (const line of linesOf(unsent, `${producer.queueUrl} (${queueVariable[lane]})`))
    complain(line);
  const rest = unsent.length === 0 ? '' : `; ${unsent.length} NOT sent, see above`;
  print(`${count(drafts.length - unsent.length, 'request')} sent to ${laneOf(order)}${rest}`);
  return unsent.length === 0 ? 0 : 1;
}

const noRegion =
  'AWS_REGION: it is not set, and neither a profile nor the queue’s URL names a region; e.g. eu-west-1 is expected';

/** A draft that did not go out, and why. */
interface Unsent {
  readonly certificate: string;
  readonly cause: string;
}

/** How many are under way at the same time. */
const atOnce = 10 * mostPerBatch;

/** Sends what can be sent; gives up when a whole stretch fails. Answers what is left. */
async function sendAll(
  drafts: readonly Draft[],
  producer: Producer,
  { clock, random, interruption, complain }: SendPorts,
): Promise<readonly Unsent[]> {
  const interrupted = interruption();
  interrupted.addEventListener('abort', () =>
    complain('Stopping; waiting for the answers under way (once more ends at once)'),
  );
  // A lost answer makes it a second message of the same request: the worker merges the two.
  const sendOne = createBatch({ send: producer.send, clock, random, hurry: interrupted });
  const unsent: Unsent[] = [];
  let hopeless = false;
  for (let at = 0; at < drafts.length; at += atOnce) {
    const stretch = drafts.slice(at, at + atOnce);
    const untried = whyUntried(interrupted.aborted, hopeless);
    const failed = (
      await Promise.all(
        stretch.map(async ({ certificate, body }): Promise<readonly Unsent[]> => {
          if (untried !== undefined) return [{ certificate, cause: untried }];
          const taken = await sendOne(body);
          return taken.done ? [] : [{ certificate, cause: taken.cause }];
        }),
      )
    ).flat();
    unsent.push(...failed);
    hopeless ||= failed.length === stretch.length;
  }
  return unsent;
}

function whyUntried(interrupted: boolean, hopeless: boolean): string | undefined {
  if (interrupted) return 'not tried, because you interrupted';
  return hopeless ? 'not tried, because none of those before got through' : undefined;
}

/** Each cause, and below it its certificates, alone on their lines: they make the next list. */
function linesOf(unsent: readonly Unsent[], queue: string): readonly string[] {
  if (unsent.length === 0) return [];
  const lines = [
    `${count(unsent.length, 'request')} could not be sent to ${queue}; to send the whole list again does no harm:`,
  ];
  for (const [cause, group] of Map.groupBy(unsent, (one) => one.cause)) {
    lines.push(
      `  # ${cause.replaceAll(/\s+/g, ' ')}`,
      ...group.map(({ certificate }) => `  ${certificate}`),
    );
  }
  return lines;
}

/** More of them are only counted. */
const mostNamed = 10;

function sentOnce(duplicates: readonly string[]): string {
  const named = duplicates.slice(0, mostNamed).join(', ');
  const more = duplicates.length > mostNamed ? ` and ${duplicates.length - mostNamed} more` : '';
  return `${count(duplicates.length, 'duplicate')} left out: ${named}${more}`;
}

function laneOf({ lane, fields }: Order): string {
  const incident = fields.incidentId === undefined ? '' : ` (incidentId ${fields.incidentId})`;
  return `the ${lane} lane${incident}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
