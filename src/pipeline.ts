// Read this first. The worker and the Lambda function are two rims around this one pipeline:
//
//   message ─→ request ─→ update ─→ slot ─→ call ─→ outcome ─→ acknowledgement
//
//   message          what a queue hands us                                  message.ts lane.ts poll.ts
//   request          this certificate, this status, by whom, why            request.ts envelope.ts json.ts
//   decision         covered, join the open update, or open one             decision.ts ledger.ts held.ts
//   update           the one call that all requests for a certificate join  update.ts dispatcher.ts
//   slot             one permit of the throttle; the most urgent gets it    priority.ts throttle.ts pace.ts
//                    … of a quota that processes may share                  shared-quota.ts redis/
//   call             one attempt, and another after a backoff               call.ts retry.ts
//   outcome          applied, covered, unchanged, rejected, deferred        outcome.ts
//   acknowledgement  delete, retry after n s, dead-letter                   acknowledgement.ts carry.ts
//   event            the one line that tells it all                         event.ts
//
// The rims are worker.ts (poll.ts, intake.ts, visibility.ts) and invocation.ts; entry/ wires them.
//
// The promise: a message is deleted only after a successful call that started after it was sent, or
// once it lies in the dead-letter queue with its reason. Everything else goes back to its queue.

import { acknowledgementFor, type Acknowledgement } from './acknowledgement.ts';
import { createDispatcher, type DispatcherPorts } from './dispatcher.ts';
import { eventOf, levelOf, type Carried, type Log, type Settled } from './event.ts';
import { createHeld } from './held.ts';
import type { Lane } from './lane.ts';
import type { Message } from './message.ts';
import { deferredByBug } from './outcome.ts';
import { readRequests, type Deployment } from './request.ts';

/** What the pipeline needs from the world. */
export interface Ports extends Omit<DispatcherPorts, 'held'> {
  readonly deployment: Deployment;
  /** Carries an acknowledgement out. It does not reject: it tells whether the queue took it. */
  readonly acknowledge: (message: Message, acknowledgement: Acknowledgement) => Promise<Carried>;
  readonly log: Log;
}

export interface Pipeline {
  /** Sees a message through, from its body to its event. It does not reject. */
  readonly handle: (message: Message) => Promise<void>;
  /** Updates of this lane that still need a call: what a lane's prefetch is counted in. */
  readonly load: (lane: Lane) => number;
}

export function createPipeline(ports: Ports): Pipeline {
  const { deployment, acknowledge, log, clock, random } = ports;
  const held = createHeld();
  const dispatcher = createDispatcher({ ...ports, held });

  async function handle(message: Message): Promise<void> {
    held.add(message);
    const settled = await settleAll(message).catch((bug) => [{ outcome: deferredByBug(bug) }]);
    const outcomes = settled.map(({ outcome }) => outcome);
    const acknowledgement = acknowledgementFor(message, outcomes, random);
    const carried = await acknowledge(message, acknowledgement).catch(notCarried);
    held.remove(message);
    const event = eventOf(message, settled, acknowledgement, carried, clock.now());
    log.write(levelOf(event), { ...event }, event.outcome);
  }

  /** What became of each of the message's requests. */
  async function settleAll(message: Message): Promise<readonly Settled[]> {
    const reading = readRequests(message.body, deployment);
    if (reading.kind === 'refused') {
      const { failureKind, reason } = reading;
      return [{ outcome: { kind: 'rejected', failureKind, cause: reason } }];
    }
    return Promise.all(
      reading.requests.map(async (request) => {
        const outcome = await dispatcher.settle(request, message);
        return { request, outcome };
      }),
    );
  }

  return { handle, load: dispatcher.load };
}

function notCarried(bug: unknown): Carried {
  return { done: false, cause: String(bug) };
}
