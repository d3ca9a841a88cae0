// What is put into the queues: requests in all lanes, several for one certificate, some for less than
// others ask, and bodies that nobody can use.

import type { Random } from '../../src/clock.ts';
import type { Lane } from '../../src/lane.ts';
import type { Status } from '../../src/status.ts';
import { badBodies } from '../helpers/bad-bodies.ts';
import { inEventBridge, inSns } from '../helpers/envelope.ts';
import { oneOf, shuffled, whole } from '../simulation/chance.ts';
import type { Order } from './world.ts';

const allLanes = ['incident', 'alert', 'rotation'] as const;

/** Those that do not fill a megabyte each. */
const smallBadBodies = Object.values(badBodies)
  .map(({ body }) => body)
  .filter((body) => body.length < 20_000);

/** One to four requests for each certificate, and a bad body for every tenth. */
export function mixed(chance: Random, certificateIds: readonly string[]): readonly Order[] {
  const orders = certificateIds.flatMap((certificateId) =>
    Array.from({ length: oneOf(chance, [1, 1, 2, 2, 3, 4]) }, () =>
      orderFor(chance, certificateId, oneOf(chance, ['REVOKED', 'REVOKED', 'INACTIVE'])),
    ),
  );
  return shuffled(chance, [...orders, ...bad(chance, Math.ceil(certificateIds.length / 10))]);
}

/** One request for each certificate, in one lane. */
export function plain(
  certificateIds: readonly string[],
  lane: Lane,
  status: Status = 'REVOKED',
): readonly Order[] {
  return certificateIds.map((certificateId) => ({
    lane,
    body: JSON.stringify({ certificateId, newStatus: status }),
    due: { kind: 'serve', certificateId, status },
  }));
}

function orderFor(chance: Random, certificateId: string, status: Status): Order {
  const arn = `arn:aws:iot:us-east-1:000000000000:cert/${certificateId}`;
  const request = {
    ...(chance() < 0.2 ? { certificateArn: arn } : { certificateId }),
    newStatus: status,
    requestedBy: `somebody ${whole(chance, 1, 9)}`,
    ...(chance() < 0.3 && { incidentId: `INC-${whole(chance, 1, 5)}` }),
    ...(chance() < 0.2 && { ticket: { no: whole(chance, 1, 1000) } }),
  };
  const body = oneOf(chance, [
    JSON.stringify(request),
    JSON.stringify(request),
    JSON.stringify(request, undefined, 2),
    inSns(JSON.stringify(request)),
    inEventBridge(request),
  ]);
  return { lane: oneOf(chance, allLanes), body, due: { kind: 'serve', certificateId, status } };
}

function bad(chance: Random, count: number): readonly Order[] {
  return Array.from({ length: count }, () => ({
    lane: oneOf(chance, allLanes),
    body: oneOf(chance, ['garbage', ...smallBadBodies]),
    due: { kind: 'refuse' },
  }));
}
