// What must be true once a demo is over, whatever happened on the way. The control plane and the
// queues are the witnesses; the worker's own word counts only for what it says of messages.

import { lanes } from '../../lane.ts';
import type { Status } from '../../status.ts';
import {
  idsIn,
  isEnding,
  switchedOff,
  updatesIn,
  type DeadLetter,
  type Evidence,
  type QueueName,
} from './evidence.ts';
import { askedBy, type Plan } from './plan.ts';
import type { Exit } from './worker-process.ts';

export interface Check {
  /** What is true, or should be. */
  readonly claim: string;
  /** What is wrong; empty if the claim holds. */
  readonly problems: readonly string[];
}

/** How things stand at the end. */
export interface Aftermath {
  /** Certificates that alerts may take out of service in an hour. */
  readonly ceiling: number;
  readonly plan: Plan;
  readonly evidence: Evidence;
  /** The control plane's word on a certificate. */
  readonly status: (certificateId: string) => string | undefined;
  readonly counts: Readonly<Record<QueueName, number>>;
  readonly deadLetters: readonly DeadLetter[];
  readonly exit: Exit;
  /** What kept the demo from coming to its end, e.g. that it took too long. */
  readonly trouble?: string;
}

export function checksOf(aftermath: Aftermath): readonly Check[] {
  const { trouble } = aftermath;
  return [
    ...(trouble === undefined ? [] : [{ claim: 'The demo came to its end', problems: [trouble] }]),
    statusCheck(aftermath),
    bystanderCheck(aftermath),
    brakeCheck(aftermath),
    endingCheck(aftermath),
    deadLetterCheck(aftermath),
    exitCheck(aftermath),
  ];
}

function statusCheck({ plan, status }: Aftermath): Check {
  const count = (wanted: Status): number =>
    [...plan.asked.values()].filter((s) => s === wanted).length;
  return {
    claim: `${plan.asked.size} certificates have the strongest status asked: ${count('REVOKED')} REVOKED, ${count('INACTIVE')} INACTIVE`,
    problems: [...plan.asked].flatMap(([id, wanted]) =>
      status(id) === wanted ? [] : [`${short(id)} is ${status(id)}, not ${wanted}`],
    ),
  };
}

function bystanderCheck({ plan, evidence, status }: Aftermath): Check {
  const named = new Set(
    evidence.sent.flatMap(({ letter }) =>
      askedBy(letter).map(({ certificateId }) => certificateId),
    ),
  );
  const uncalledFor = updatesIn(evidence.calls).filter(
    ({ certificateId = '' }) => !named.has(certificateId),
  );
  return {
    claim: `${plan.bystanders.length} others are ACTIVE as before; no call named one of them`,
    problems: [
      ...plan.bystanders
        .filter((id) => status(id) !== 'ACTIVE')
        .map((id) => `${short(id)} is ${status(id)}`),
      ...uncalledFor.map(
        ({ certificateId = '', newStatus }) =>
          `a call for ${newStatus} named ${short(certificateId)}`,
      ),
    ],
  };
}

function brakeCheck({ ceiling, plan, evidence }: Aftermath): Check {
  const { calls, brake } = evidence;
  const { heldAtMs, liftedAtMs = Infinity } = brake;
  const off = switchedOff(evidence, liftedAtMs);
  const isDead = (id: string | undefined): boolean =>
    calls.some(
      ({ certificateId, newStatus, applied, receivedAtMs }) =>
        certificateId === id && newStatus === 'REVOKED' && applied && receivedAtMs <= liftedAtMs,
    );
  const alive = plan.theft.filter(({ request }) => !isDead(request?.certificateId)).length;
  return {
    claim: `Alerts took exactly ${ceiling} certificates out of service until the brake was lifted`,
    problems: [
      ...(heldAtMs === undefined ? ['the alert lane was never held'] : []),
      ...(liftedAtMs === Infinity ? ['the brake was never lifted'] : []),
      ...(off === ceiling ? [] : [`there were ${off}`]),
      ...(alive === 0 ? [] : [`${alive} stolen keys were alive as long as it held`]),
    ],
  };
}

function endingCheck({ evidence, counts }: Aftermath): Check {
  const { sent, events } = evidence;
  const endings = Map.groupBy(events.filter(isEnding).flatMap(idsIn), (id) => id);
  return {
    claim: `${sent.length} messages came to exactly one end each, and the lanes are empty`,
    problems: [
      ...sent.flatMap(({ messageId, letter }) => {
        const count = endings.get(messageId)?.length ?? 0;
        return count === 1 ? [] : [`${letter.lane} message ${messageId} came to ${count} ends`];
      }),
      ...lanes.flatMap((lane) =>
        counts[lane] === 0 ? [] : [`the ${lane} lane still holds ${counts[lane]}`],
      ),
    ],
  };
}

function deadLetterCheck({ evidence, deadLetters, counts }: Aftermath): Check {
  const unusable = evidence.sent.filter(({ letter }) => letter.refusal !== undefined);
  const ofMessage = Map.groupBy(deadLetters, ({ attributes }) => attributes['originalMessageId']);
  return {
    claim: `${unusable.length} unusable messages are dead letters: the right reason, every byte as sent`,
    problems: [
      ...unusable.flatMap(({ messageId, letter }) => {
        const problem = problemWith(ofMessage.get(messageId) ?? [], letter);
        return problem === undefined ? [] : [`${messageId}: ${problem}`];
      }),
      ...(counts.deadLetter === unusable.length
        ? []
        : [`the dead-letter queue holds ${counts.deadLetter}`]),
    ],
  };
}

function problemWith(
  letters: readonly DeadLetter[],
  { body, refusal }: Plan['unusable'][number],
): string | undefined {
  const [letter] = letters;
  if (letter === undefined || letters.length > 1) return `it is there ${letters.length} times`;
  if (!Buffer.from(letter.body).equals(Buffer.from(body))) return 'its body has changed';
  const { failureKind, failureReason = '' } = letter.attributes;
  if (failureKind !== refusal) return `it is called ${failureKind}, not ${refusal}`;
  return failureReason === '' ? 'it has no reason' : undefined;
}

function exitCheck({ exit }: Aftermath): Check {
  const { code, signal, complaint } = exit;
  const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
  return {
    claim: 'The worker stopped when asked to (SIGTERM), with exit code 0',
    problems: code === 0 ? [] : [complaint === '' ? how : `${how}: ${complaint}`],
  };
}

function short(certificateId: string): string {
  return `${certificateId.slice(0, 12)}…`;
}
