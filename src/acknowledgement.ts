// What we tell the queue about a message, by what became of its requests: the contract, as one function.
//
// | what happened                                   | outcome   | queue            |
// | call succeeded                                  | applied   | delete           |
// | another call covers it                          | covered   | delete           |
// | certificate already there                       | unchanged | delete           |
// | made into requests of their own                 | expanded  | delete           |
// | an alert that calls for no action               | ignored   | delete           |
// | unusable, not allowed, foreign, not found, …    | rejected  | dead-letter      |
// | throttled, 5xx, timeout, network, unauthorized  | deferred  | retry after n s  |
// | the brake holds the lane                        | deferred  | retry after n s  |
// | dry run                                         | deferred  | retry after 1 h  |
// | stopping, deadline near                         | deferred  | retry after 0 s  |

import type { Random } from './clock.ts';
import type { Lane } from './lane.ts';
import type { Message } from './message.ts';
import { deciding, type Outcome } from './outcome.ts';

export type Acknowledgement =
  | { readonly kind: 'delete' }
  | { readonly kind: 'retry'; readonly afterSeconds: number }
  | { readonly kind: 'dead-letter'; readonly failureKind: string; readonly reason: string };

/** The longest that a message stays away, seconds. An incident comes back soon after AWS has. */
const longestDelaySeconds: Readonly<Record<Lane, number>> = {
  incident: 120,
  alert: 300,
  rotation: 900,
};

const firstDelaySeconds = 5;

/**
 * What fails for days comes back ever more rarely, seconds per delivery: SQS moves a message to the
 * dead-letter queue after 1000 of them at most, without a reason, and it must outlive its retention
 * instead (infra/queues.yml).
 */
const patienceSeconds = 3;
const longestPatienceSeconds = 3600;

/** The acknowledgement that `outcomes` ask for; there is one for every request of the message. */
export function acknowledgementFor(
  message: Pick<Message, 'lane' | 'receiveCount'>,
  outcomes: readonly Outcome[],
  random: Random,
): Acknowledgement {
  const outcome = deciding(outcomes);
  switch (outcome?.kind) {
    case 'applied':
    case 'covered':
    case 'unchanged':
    case 'expanded':
    case 'ignored':
      return { kind: 'delete' };
    case 'rejected':
      return { kind: 'dead-letter', failureKind: outcome.failureKind, reason: outcome.cause };
    case 'deferred':
      return { kind: 'retry', afterSeconds: afterSeconds(outcome.failureKind, message, random) };
    case undefined: // no request at all: nothing proves that the message may go
      return { kind: 'retry', afterSeconds: delaySeconds(message, random) };
  }
}

/** A dry run keeps its messages for the real one; they need not be looked at often, seconds. */
const dryRunSeconds = 3600;

function afterSeconds(
  failureKind: string,
  message: Pick<Message, 'lane' | 'receiveCount'>,
  random: Random,
): number {
  if (failureKind === 'stopping') return 0;
  return failureKind === 'dry-run' ? dryRunSeconds : delaySeconds(message, random);
}

/**
 * 5 s, doubled with each delivery up to the lane's longest, which grows after many; the upper half of
 * it is drawn by chance.
 */
export function delaySeconds(
  { lane, receiveCount }: Pick<Message, 'lane' | 'receiveCount'>,
  random: Random,
): number {
  const bound = Math.min(
    Math.max(
      longestDelaySeconds[lane],
      Math.min(patienceSeconds * receiveCount, longestPatienceSeconds),
    ),
    firstDelaySeconds * 2 ** Math.max(0, Math.min(receiveCount, 30) - 1),
  );
  return Math.round(bound / 2 + random() * (bound / 2));
}
