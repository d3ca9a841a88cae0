import { describe, expect, test } from 'vitest';
import { read } from '../../../src/reading.ts';
import { readRequests } from '../../../src/request.ts';
import { fullDemo } from '../../../src/sandbox/demo/demo.ts';
import {
  askedBy,
  fleetSize,
  planOf,
  type Letter,
  type Plan,
} from '../../../src/sandbox/demo/plan.ts';

const place = { region: 'us-east-1', accountId: '000000000000' };
const size = {
  rotation: 10,
  incident: 5,
  alerts: 12,
  alerted: 4,
  shared: 2,
  alarms: 6,
  stolen: 2,
  ceiling: 9,
  bystanders: 3,
};

describe('a plan', () => {
  test.each([size, fullDemo.size])('uses each certificate of its fleet', (size) => {
    const fleet = fleetOf(fleetSize(size));
    const { asked, bystanders } = planOf(fleet, size, place);
    expect([...asked.keys(), ...bystanders].toSorted()).toEqual(fleet);
    expect(bystanders).toHaveLength(size.bystanders);
  });

  test('has as many certificates in each group as its size says', () => {
    const { rotation, incident, alerts } = small();
    expect([rotation, incident, alerts].map((letters) => letters.length)).toEqual([10, 5, 12]);
    expect([rotation, incident, alerts].map((letters) => idsOf(letters).size)).toEqual([10, 5, 4]);
  });

  test('shares some certificates between the rotation and each of the others', () => {
    const { rotation, incident, alerts } = small();
    const [due, compromised, alerted] = [idsOf(rotation), idsOf(incident), idsOf(alerts)];
    expect([...compromised].filter((id) => due.has(id))).toHaveLength(2);
    expect([...alerted].filter((id) => due.has(id))).toHaveLength(2);
    expect([...alerted].filter((id) => compromised.has(id))).toEqual([]);
  });

  test('asks for the strongest status where certificates are shared', () => {
    const { rotation, incident, alerts, asked } = small();
    const revoked = idsOf([...incident, ...alerts]);
    for (const id of idsOf([...rotation, ...incident, ...alerts])) {
      expect(asked.get(id)).toBe(revoked.has(id) ? 'REVOKED' : 'INACTIVE');
    }
  });

  test('has usable bodies that the worker reads as it means them', () => {
    const { rotation, incident, alerts } = small();
    for (const { body, request } of [...rotation, ...incident, ...alerts]) {
      expect(readRequests(body, place)).toMatchObject({ kind: 'requests', requests: [request] });
    }
  });

  test('tells who asks for the incident’s revocations, why, and for which incident', () => {
    for (const { body } of small().incident) {
      expect(readRequests(body, place)).toMatchObject({
        requests: [
          {
            reason: 'keyCompromise',
            incidentId: 'INC-4711',
            requestedBy: expect.stringContaining('@'),
          },
        ],
      });
    }
  });

  test('sends alerts raw, in SNS notifications and in EventBridge events', () => {
    const bodies = small().alerts.map(({ body }) => JSON.parse(body) as object);
    expect(bodies.filter((body) => 'TopicArn' in body)).toHaveLength(4);
    expect(bodies.filter((body) => 'detail-type' in body)).toHaveLength(4);
    expect(bodies.filter((body) => 'newStatus' in body)).toHaveLength(4);
  });

  test('publishes violations, of a device with several certificates and of many with one', () => {
    const { violation, alarms, things } = small();
    const letters = [...violation, ...alarms];
    expect(letters.map((letter) => askedBy(letter).length)).toEqual([3, 1, 1, 1, 1, 1, 1]);
    for (const [at, letter] of letters.entries()) {
      const { thingName, certificateIds = [] } = things[at] ?? {};
      expect(read(letter.body, 'alert', place)).toMatchObject({
        kind: 'intents',
        intents: [{ target: { kind: 'thing', thingName }, origin: { id: letter.violationId } }],
      });
      expect(askedBy(letter)).toEqual(
        certificateIds.map((certificateId) => ({ certificateId, newStatus: 'INACTIVE' })),
      );
    }
    expect(new Set(letters.map(({ violationId }) => violationId)).size).toBe(7);
  });

  test('has a ceiling that the false alarms go past, and the alerts before them do not', () => {
    const { ceiling, alerted, alarms } = fullDemo.size;
    expect(ceiling).toBeGreaterThan(alerted + 3);
    expect(ceiling).toBeLessThan(alerted + 3 + alarms);
  });

  test('has a dozen or more unusable bodies, all different', () => {
    const bodies = new Set(small().unusable.map(({ body }) => body));
    expect(bodies.size).toBe(small().unusable.length);
    expect(bodies.size).toBeGreaterThanOrEqual(12);
  });

  test('has unusable bodies that the worker refuses in the words it expects', () => {
    for (const { body, refusal } of small().unusable) {
      if (refusal === 'not-found') continue; // only AWS can tell
      expect(readRequests(body, place)).toMatchObject({ kind: 'refused', failureKind: refusal });
    }
  });
});

function small(): Plan {
  return planOf(fleetOf(fleetSize(size)), size, place);
}

function fleetOf(count: number): string[] {
  return Array.from({ length: count }, (_, at) => String(at).padStart(64, '0'));
}

function idsOf(letters: readonly Letter[]): ReadonlySet<string> {
  return new Set(letters.flatMap(({ request }) => request?.certificateId ?? []));
}
