import { describe, expect, test } from 'vitest';
import { audit, type Audit, type AuditLine, type Findings } from '../../src/command/audit.ts';
import type { Deployment } from '../../src/request.ts';

const id = 'a'.repeat(64);
const line: AuditLine = {
  at: '2026-01-01T00:00:00.000Z',
  certificateId: id,
  status: 'REVOKED',
  outcome: 'applied',
  awsRequestId: 'aws-1',
  asked: [{ newStatus: 'REVOKED', requestedBy: 'alice', lane: 'incident', reason: 'superseded' }],
};
const home = { LEDGER_TABLE: 'ledger', AWS_ACCOUNT_ID: '111122223333' };

interface Given {
  readonly audit?: Partial<Audit>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly region?: string | undefined;
  readonly findings?: Findings;
  readonly askAccountId?: () => Promise<string>;
}

/** Runs an audit of an archive in eu-west-1 that answers the same whatever it is asked. */
async function run(given: Given = {}) {
  const { environment = home, findings = { kind: 'found', lines: [line] } } = given;
  const region = 'region' in given ? given.region : 'eu-west-1';
  const opened: string[] = [];
  const asked: unknown[] = [];
  let closed = 0;
  const printed: string[] = [];
  const complained: string[] = [];
  const answer = (kind: string) => async (deployment: Deployment, name: string) => {
    asked.push([kind, deployment, name]);
    return findings;
  };
  const exitCode = await audit(
    {
      question: { kind: 'certificate', certificate: id },
      table: undefined,
      pretty: false,
      ...given.audit,
    },
    {
      environment,
      openArchive: async (table) => {
        opened.push(table);
        return {
          region: async () => region,
          ofCertificate: answer('certificate'),
          ofIncident: answer('incident'),
          [Symbol.dispose]: () => void closed++,
        };
      },
      askAccountId: given.askAccountId ?? (async () => '444455556666'),
      print: (text) => void printed.push(text),
      complain: (text) => void complained.push(text),
    },
  );
  expect(closed).toBe(opened.length);
  return { exitCode, printed, complained, opened, asked };
}

describe('an audit', () => {
  test('prints a JSON line for each entry, and how many on the other stream', async () => {
    const other = { ...line, certificateId: 'b'.repeat(64) };
    const findings = { kind: 'found', lines: [line, line, other] } as const;
    expect(await run({ findings })).toMatchObject({
      exitCode: 0,
      printed: [line, line, other].map((one) => JSON.stringify(one)),
      complained: ['3 entries, 2 certificates'],
    });
  });

  test('prints JSON that means what stands in the table, and that no terminal obeys', async () => {
    const comment = 'by \u202ebob\u202c\u009b2J\u007f';
    const told = { ...line, asked: [{ newStatus: 'REVOKED', comment }] };
    const { printed } = await run({ findings: { kind: 'found', lines: [told] } });
    expect(printed.map((text) => JSON.parse(text) as unknown)).toEqual([told]);
    expect(printed.join('')).toMatch(/^[ -~]+$/);
  });

  test('says so, and exits with 1, if nothing is known', async () => {
    expect(await run({ findings: { kind: 'found', lines: [] } })).toMatchObject({
      exitCode: 1,
      printed: [],
      complained: [
        `nothing is known of certificate ${id} in table ledger (account 111122223333, eu-west-1)`,
      ],
    });
  });

  test('prints nothing, and exits with 2, if the table cannot be read', async () => {
    const findings = { kind: 'failed', problem: 'it is away' } as const;
    expect(await run({ findings })).toMatchObject({
      exitCode: 2,
      printed: [],
      complained: ['error: LEDGER_TABLE: table ledger in eu-west-1: it is away'],
    });
  });

  test('asks for an incident by its name', async () => {
    const question = { kind: 'incident', incidentId: 'INC 7' } as const;
    const { asked } = await run({ audit: { question } });
    expect(asked).toEqual([
      ['incident', { accountId: '111122223333', region: 'eu-west-1' }, 'INC 7'],
    ]);
  });

  test.each([
    ['an id in capitals', id.toUpperCase()],
    ['an id between spaces', ` ${id} `],
    ['an ARN', `arn:aws:iot:eu-west-1:111122223333:cert/${id}`],
  ])('asks for a certificate by %s', async (_what, certificate) => {
    const { asked } = await run({ audit: { question: { kind: 'certificate', certificate } } });
    expect(asked).toEqual([
      ['certificate', { accountId: '111122223333', region: 'eu-west-1' }, id],
    ]);
  });

  test('goes by --table before LEDGER_TABLE', async () => {
    expect(await run({ audit: { table: 'another' } })).toMatchObject({ opened: ['another'] });
  });

  test('asks STS for the account if nothing names it', async () => {
    const { asked } = await run({ environment: { LEDGER_TABLE: 'ledger' } });
    expect(asked).toMatchObject([['certificate', { accountId: '444455556666' }, id]]);
  });

  test('takes the account that an ARN names, and asks nobody', async () => {
    const certificate = `arn:aws:iot:eu-west-1:777788889999:cert/${id}`;
    const { asked } = await run({
      audit: { question: { kind: 'certificate', certificate } },
      environment: { LEDGER_TABLE: 'ledger', AWS_ACCOUNT_ID: '' },
      askAccountId: async () => Promise.reject(new Error('asked')),
    });
    expect(asked).toMatchObject([['certificate', { accountId: '777788889999' }, id]]);
  });
});

describe('an audit that cannot be made', () => {
  const certificate = (text: string): Given => ({
    audit: { question: { kind: 'certificate', certificate: text } },
  });
  test.each<[string, Given, RegExp]>([
    ['no table', { environment: {} }, /^error: LEDGER_TABLE: it is not set; the name or ARN/],
    ['an empty --table', { audit: { table: '' } }, /^error: --table: it is empty; the name/],
    ['no name of a table', { audit: { table: 'a b' } }, /^error: --table: it holds "a b"; the/],
    [
      'no account of 12 digits',
      { environment: { ...home, AWS_ACCOUNT_ID: '11112222333' } },
      /^error: AWS_ACCOUNT_ID: it holds "11112222333"; an account id of 12 digits is expected$/,
    ],
    ['no region', { region: undefined }, /^error: AWS_REGION: it is not set, and neither/],
    ['no id', certificate('abc'), /^error: certificateId: it holds "abc"; that is 3 hex/],
    ['an ARN of a thing', certificate('arn:aws:iot:eu-west-1:1:thing/x'), /^error: certificateArn/],
    [
      'an ARN of another region',
      certificate(`arn:aws:iot:us-east-1:111122223333:cert/${id}`),
      /^error: certificateArn: it is of region us-east-1, but the table is in eu-west-1$/,
    ],
    [
      'an ARN of another account',
      certificate(`arn:aws:iot:eu-west-1:444455556666:cert/${id}`),
      /^error: certificateArn: it is of account 444455556666, but AWS_ACCOUNT_ID is 111122223333$/,
    ],
    [
      'no name of an incident',
      { audit: { question: { kind: 'incident', incidentId: '' } } },
      /^error: incidentId: it is empty/,
    ],
    [
      'nobody who knows the account',
      {
        environment: { LEDGER_TABLE: 'ledger' },
        askAccountId: async () => Promise.reject(new Error('no answer')),
      },
      /^error: AWS_ACCOUNT_ID: it is not set, and STS could not be asked \(Error: no answer\)/,
    ],
  ])('says in one sentence that there is %s', async (_what, given, sentence) => {
    const { exitCode, printed, complained, asked } = await run(given);
    expect([exitCode, printed, asked]).toEqual([2, [], []]);
    expect(complained).toEqual([expect.stringMatching(sentence)]);
  });

  test('tells all that is wrong at once', async () => {
    const { complained } = await run({ environment: {}, ...certificate('abc') });
    expect(complained).toHaveLength(2);
  });
});

describe('an audit for people’s eyes', () => {
  const pretty = async (one: Partial<AuditLine>): Promise<readonly string[]> => {
    const findings = { kind: 'found', lines: [{ ...line, ...one }] } as const;
    const { printed } = await run({ audit: { pretty: true }, findings });
    return printed.join('\n').split('\n');
  };

  test('says when, what and by which call, and below it who asked and why', async () => {
    expect(await pretty({})).toEqual([
      `2026-01-01T00:00:00.000Z  ${id}  REVOKED  applied, AWS request aws-1`,
      '  REVOKED asked by alice: reason superseded, lane incident',
    ]);
  });

  test('names the alert where nobody asked', async () => {
    const origin = {
      format: 'device-defender-detect',
      name: 'Sensors/Floods',
      id: 'v-1',
    };
    const asked = [
      { newStatus: 'INACTIVE', lane: 'alert', thingName: 'sensor-17', origin },
      { newStatus: 'INACTIVE', requestedBy: 'alice', lane: 'alert', origin },
      { newStatus: 'INACTIVE', lane: 'alert', origin: { ...origin, name: 'a\nb', id: undefined } },
    ];
    expect((await pretty({ asked })).slice(1)).toEqual([
      '  INACTIVE asked by the alert device-defender-detect Sensors/Floods v-1: lane alert, thingName sensor-17',
      '  INACTIVE asked by alice: lane alert',
      String.raw`  INACTIVE asked by the alert device-defender-detect "a\nb": lane alert`,
    ]);
  });

  test('says why it was refused, that there were more, and what is doubtful', async () => {
    const { status: _status, awsRequestId: _call, ...rest } = line;
    const one = {
      ...rest,
      sentStatus: 'REVOKED',
      outcome: 'rejected',
      cause: 'no such one',
      moreAsked: 3,
      note: 'hm',
    };
    const findings = { kind: 'found', lines: [one] } as const;
    const { printed } = await run({ audit: { pretty: true }, findings });
    expect(printed.join('\n').split('\n')).toEqual([
      `2026-01-01T00:00:00.000Z  ${id}  REVOKED  rejected`,
      '  no such one',
      '  REVOKED asked by alice: reason superseded, lane incident',
      '  and 3 more, whom the log names',
      '  (hm)',
    ]);
  });

  test('lets nothing that somebody wrote into the table trouble a terminal', async () => {
    const lines = await pretty({
      asked: [{ newStatus: 'REVOKED', comment: '\u001b[2Jgone\nREVOKED asked by bob' }, 7],
    });
    expect(lines.slice(1)).toEqual([
      '  REVOKED asked by nobody named: comment "\\u001b[2Jgone\\nREVOKED asked by bob"',
      '   asked by nobody named: ',
    ]);
  });
});
