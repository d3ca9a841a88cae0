import { describe, expect, test } from 'vitest';
import { listedAsArguments } from '../../src/command/certificate-list.ts';
import { draftRequests, type Drafting, type Expected } from '../../src/command/draft.ts';
import { readRequests } from '../../src/request.ts';

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const arnOf = (id: string, region = 'eu-west-1', account = '123456789012'): string =>
  `arn:aws:iot:${region}:${account}:cert/${id}`;

const fields = {
  newStatus: 'REVOKED',
  requestedBy: 'alice',
  reason: 'keyCompromise',
  incidentId: 'INC-7',
  comment: undefined,
} as const;
const unknown: Expected = { accountId: undefined, region: undefined };

function draft(certificates: readonly string[], expected = unknown): Drafting {
  return draftRequests(listedAsArguments(certificates), fields, expected);
}

function bodiesOf(drafting: Drafting): unknown[] {
  if (drafting.kind === 'problems') throw new Error(drafting.problems.join('\n'));
  return drafting.drafts.map(({ body }) => JSON.parse(body) as unknown);
}

describe('drafts', () => {
  test('say the certificate as an id or an ARN, and what the order says, and no more', () => {
    const common = {
      newStatus: 'REVOKED',
      requestedBy: 'alice',
      reason: 'keyCompromise',
      incidentId: 'INC-7',
    };
    expect(bodiesOf(draft([a, arnOf(b)]))).toEqual([
      { certificateId: a, ...common },
      { certificateArn: arnOf(b), ...common },
    ]);
  });

  test('write an id in lower case', () => {
    expect(bodiesOf(draft([a.toUpperCase()]))).toMatchObject([{ certificateId: a }]);
  });

  test('are requests that the worker takes', () => {
    const deployment = { accountId: '123456789012', region: 'eu-west-1' };
    for (const body of bodiesOf(draft([a, arnOf(b)]))) {
      expect(readRequests(JSON.stringify(body), deployment)).toMatchObject({ kind: 'requests' });
    }
  });

  test('are one for a certificate that is listed again, in whatever form', () => {
    const drafting = draft([a, b, a.toUpperCase(), arnOf(a)]);
    expect(bodiesOf(drafting)).toHaveLength(2);
    expect(drafting).toMatchObject({
      duplicates: ['argument 3 (argument 1)', 'argument 4 (argument 1)'],
    });
  });

  test('are none if any certificate is wrong, and each of those is told', () => {
    expect(draft([a, 'a'.repeat(63), b, `0x${'a'.repeat(62)}`, '', `arn:${a}`])).toEqual({
      kind: 'problems',
      problems: [
        expect.stringMatching(
          /^argument 2: certificateId: it holds "a{63}"; that is 63 hexadecimal/,
        ),
        expect.stringMatching(/^argument 4: certificateId: it holds "0xa{62}"; "0x" and 62 digits/),
        expect.stringMatching(/^argument 5: certificateId: it holds ""; 64 hexadecimal/),
        expect.stringMatching(/^argument 6: certificateArn: it holds "arn:a{64}"; arn:aws:iot:/),
      ],
    });
  });

  test.each([',device-1', ';device-1', '\tdevice-1', ' device-1', '|device-1', `\n${b}`])(
    'guess no column of a table: %j',
    (rest) => {
      expect(draft([a + rest])).toEqual({
        kind: 'problems',
        problems: [
          expect.stringMatching(
            /^argument 1: it holds "a{64}.*; one certificate and nothing else is expected \(of a table, /,
          ),
        ],
      });
    },
  );

  test('are none if the list is empty', () => {
    const problems = ['the list has no certificate: it is empty'];
    expect(draft([])).toEqual({ kind: 'problems', problems });
  });
});

describe('ARNs that the worker would refuse', () => {
  test('are those of another region than the queue’s', () => {
    const problems = [
      'argument 1: it is of region us-east-1, but the queue is in eu-west-1; a worker serves one region, and refuses the rest',
    ];
    const drafting = draft([arnOf(a, 'us-east-1'), b], { ...unknown, region: 'eu-west-1' });
    expect(drafting).toEqual({ kind: 'problems', problems });
  });

  test('are those of another account than AWS_ACCOUNT_ID', () => {
    const problems = [
      'argument 1: it is of account 123456789012, but AWS_ACCOUNT_ID is 111111111111; a worker serves one account, and refuses the rest',
    ];
    const drafting = draft([arnOf(a)], { ...unknown, accountId: '111111111111' });
    expect(drafting).toEqual({ kind: 'problems', problems });
  });

  test('are those that differ from the first, if nothing else is known', () => {
    const drafting = draft([b, arnOf(a), arnOf(a, 'us-east-1', '111111111111')]);
    expect(drafting).toEqual({
      kind: 'problems',
      problems: [
        expect.stringMatching(
          /^argument 3: it is of region us-east-1, but argument 2 is of eu-west-1;/,
        ),
        expect.stringMatching(
          /^argument 3: it is of account 111111111111, but argument 2 is of 123456789012;/,
        ),
      ],
    });
  });

  test('are none where all is as expected', () => {
    const expected = { accountId: '123456789012', region: 'eu-west-1' };
    expect(bodiesOf(draft([arnOf(a), arnOf(b)], expected))).toHaveLength(2);
  });
});
