// Read this first. The worker and the Lambda function are two rims around this one pipeline:
//
//   message ─→ intent ─→ request ─→ update ─→ slot ─→ call ─→ outcome ─→ acknowledgement
//
//   message          what a queue hands us                                  message.ts lane.ts poll.ts
//   intent           what its body asks for: a request, or an alert         reading.ts envelope.ts alerts/
//   request          this certificate, this status, by whom, why            request.ts resolution.ts policy.ts
//                    … looked up, where an alert names a thing              lookup.ts directory.ts slots.ts
//                    … as messages of their own: too many, or held in part  expansion.ts
//   decision         covered, join the open update, or open one             decision.ts held.ts
//                    … by what this process knows                           ledger.ts packed-proofs.ts
//                    … by what all processes know, if they share it         shared-ledger.ts ledger-entry.ts
//   update           the one call that all requests for a certificate join  update.ts dispatcher.ts
//   slot             one permit of the throttle; the most urgent gets it    priority.ts throttle.ts pace.ts
//                    … of a quota that processes may share                  shared-quota.ts redis/
//                    … unless its lane stands at its ceiling                brake.ts brake-store.ts window.ts
//   call             one attempt, and another after a backoff               call.ts retry.ts
//   outcome          applied, covered, unchanged, rejected, deferred;       outcome.ts
//                    and for an alert: expanded, ignored
//   acknowledgement  delete, retry after n s, dead-letter                   acknowledgement.ts carry.ts
//   event            the one line that tells it all                         event.ts
//
// The rims are worker.ts (poll.ts, intake.ts, visibility.ts) and invocation.ts; entry/ wires them.
//
// The promise: a message is deleted only after a successful call that started after it was sent, or
// once it lies in the dead-letter queue with its reason. Everything else goes back to its queue.

import { acknowledgementFor, type Acknowledgement } from './acknowledgement.ts';
import type { Brake } from './brake.ts';
import { createDispatcher, type DispatcherPorts } from './dispatcher.ts';
import { eventOf, levelOf, textOf, type Carried, type Log, type Settled } from './event.ts';
import { expand, mostPerMessage, type SendBack } from './expansion.ts';
import { createHeld } from './held.ts';
import type { Intent } from './intent.ts';
import type { Lane } from './lane.ts';
import { createLookup, type LookupPorts } from './lookup.ts';
import type { Message } from './message.ts';
import { deferredByBug, type Outcome } from './outcome.ts';
import type { Policy } from './policy.ts';
import { read } from './reading.ts';
import type { Deployment, Request } from './request.ts';
import { objectionOf, resolve } from './resolution.ts';

/** What alerts need from the world, beyond what requests do. */
export interface AlertPorts extends Pick<LookupPorts, 'directory'> {
  readonly policy: Policy;
  readonly lookupThrottles: LookupPorts['throttles'];
  readonly sendBack: SendBack;
  /** The lanes whose requests are all but carried out, and what would hold them. */
  readonly dryRun: { readonly lanes: ReadonlySet<Lane>; readonly brake?: Brake };
}

/** What the pipeline needs from the world. */
export interface Ports extends Omit<DispatcherPorts, 'held'>, AlertPorts {
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
  const { deployment, policy, lookupThrottles, sendBack, dryRun } = ports;
  const { acknowledge, log, brake, clock, random, stopping } = ports;
  const held = createHeld();
  const dispatcher = createDispatcher({ ...ports, held });
  const resolution = {
    deployment,
    policy,
    lookup: createLookup({ ...ports, held, throttles: lookupThrottles }),
    ...(brake !== undefined && { brake }),
  };
  const resolving: Record<Lane, number> = { incident: 0, alert: 0, rotation: 0 };

  async function handle(message: Message): Promise<void> {
    held.add(message);
    const settled = await settleAll(message).catch((bug) => [{ outcome: deferredByBug(bug) }]);
    const outcomes = settled.map(({ outcome }) => outcome);
    const acknowledgement = acknowledgementFor(message, outcomes, random);
    const carried = await acknowledge(message, acknowledgement).catch(notCarried);
    held.remove(message);
    const event = eventOf(message, settled, acknowledgement, carried, clock.now());
    log.write(levelOf(event), { ...event }, textOf(event));
  }

  /** What became of all that the message asks for. */
  async function settleAll(message: Message): Promise<readonly Settled[]> {
    const reading = read(message.body, message.lane, deployment);
    switch (reading.kind) {
      case 'refused': {
        const { failureKind, reason } = reading;
        return [{ outcome: { kind: 'rejected', failureKind, cause: reason } }];
      }
      case 'ignored':
        return [{ outcome: { kind: 'ignored', cause: reading.cause } }];
      case 'intents':
        return settleIntents(reading.intents, message);
    }
  }

  async function settleIntents(
    intents: readonly Intent[],
    message: Message,
  ): Promise<readonly Settled[]> {
    // Until the dispatcher counts them: who asks in between must not find the lane empty.
    const { ended, requests, begun } = await counted(message.lane, async () =>
      begin(intents, message),
    );
    if (requests.length > mostPerMessage) {
      // The message comes back for the rest anyway, and each time would send all of these again.
      if (ended.some(isDeferred)) return ended;
      return [...ended, { outcome: await expand(requests, message.lane, sendBack, stopping) }];
    }
    const settled = await Promise.all(
      begun.map(async ({ request, outcome }) => ({ request, outcome: await outcome })),
    );
    const held = settled.filter(isHeldBack);
    const rest = [...ended, ...settled.filter((one) => !isHeldBack(one))];
    return [...rest, ...(await sendHeldBack(held, rest, message.lane))];
  }

  /** Finds out what is asked for, and sets about it unless it is too much for one message. */
  async function begin(intents: readonly Intent[], message: Message): Promise<Begun> {
    const resolutions = await Promise.all(
      intents.map((intent) => resolve(intent, message, resolution)),
    );
    const ended = resolutions.flatMap(({ outcome }, at): readonly Settled[] => {
      const intent = intents[at];
      return outcome === undefined ? [] : [{ ...(intent && { request: intent }), outcome }];
    });
    const requests = resolutions.flatMap((each) => each.requests);
    if (requests.length > mostPerMessage) return { ended, requests, begun: [] };
    const begun = await Promise.all(requests.map((request) => beginOne(request, message)));
    return { ended, requests, begun };
  }

  async function beginOne(request: Request, message: Message): Promise<BegunRequest> {
    const covered = dispatcher.covered(request, message);
    if (covered !== undefined) return { request, outcome: covered };
    const objection = await objectionOf(request, message, resolution);
    if (objection !== undefined) return { request, outcome: Promise.resolve(objection) };
    const isDry = dryRun.lanes.has(message.lane);
    const outcome = isDry
      ? settleDry(request, message.lane).catch(deferredByBug)
      : dispatcher.settle(request, message);
    return { request, outcome };
  }

  /**
   * What the brake holds of a message waits as requests of its own, once the rest is done. If it came
   * back with the rest, which may need a call each time, that would take its room, each time.
   */
  async function sendHeldBack(
    held: readonly HeldBack[],
    rest: readonly Settled[],
    lane: Lane,
  ): Promise<readonly Settled[]> {
    const [first] = held;
    // What is held as a whole takes nobody's room; such is a request of its own, so none is sent twice.
    // And what comes back for something else anyway would send all of these again each time.
    if (first === undefined || rest.length === 0 || rest.some(isDeferred)) return held;
    const requests = held.map(({ request }) => request);
    const why = `${held.length} of ${held.length + rest.length} certificates are held back, for ${first.outcome.cause}`;
    const outcome = await expand(requests, lane, sendBack, stopping, why);
    return requests.map((request) => ({ request, outcome }));
  }

  /** All but the call: the message stays, for the real run. */
  async function settleDry({ certificateId, newStatus }: Request, lane: Lane): Promise<Outcome> {
    const stay = await dryRun.brake?.admit(lane, certificateId);
    const cause =
      stay === undefined
        ? `dry run: would apply ${newStatus}`
        : `dry run: would be held, for ${stay.cause}`;
    return { kind: 'deferred', failureKind: 'dry-run', cause };
  }

  /** What is being looked up is work in hand, too. */
  async function counted<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    resolving[lane]++;
    return work().finally(() => resolving[lane]--);
  }

  return { handle, load: (lane) => dispatcher.load(lane) + resolving[lane] };
}

/** What a message asks for, under way. */
interface Begun {
  /** What came to nothing that could be asked of AWS. */
  readonly ended: readonly Settled[];
  readonly requests: readonly Request[];
  /** The requests, or none of them if they are too many. */
  readonly begun: readonly BegunRequest[];
}

interface BegunRequest {
  readonly request: Request;
  /** It does not reject. */
  readonly outcome: Promise<Outcome>;
}

/** A request that the brake holds. */
interface HeldBack {
  readonly request: Request;
  readonly outcome: Extract<Outcome, { readonly kind: 'deferred' }>;
}

function isHeldBack(settled: {
  readonly request: Request;
  readonly outcome: Outcome;
}): settled is HeldBack {
  return settled.outcome.kind === 'deferred' && settled.outcome.failureKind === 'brake';
}

function isDeferred({ outcome }: Settled): boolean {
  return outcome.kind === 'deferred';
}

function notCarried(bug: unknown): Carried {
  return { done: false, cause: String(bug) };
}
