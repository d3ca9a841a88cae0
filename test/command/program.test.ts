import { describe, expect, test } from 'vitest';
import { runProgram, type ProgramPorts } from '../../src/command/program.ts';
import { emptyWindow } from '../../src/window.ts';
import { createVirtualClock } from '../helpers/clock.ts';

const id = 'a'.repeat(64);

interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  /** What each request says. */
  readonly bodies: readonly unknown[];
  /** What the ledger was asked for, and in which table. */
  readonly looked: readonly (readonly string[])[];
}

/** Runs a command line whose queue takes everything. */
async function run(given: readonly string[], other: Partial<ProgramPorts> = {}): Promise<Run> {
  const clock = createVirtualClock();
  const bodies: unknown[] = [];
  const looked: string[][] = [];
  let [out, err] = ['', ''];
  const ports: ProgramPorts = {
    version: '1.2.3',
    environment: {
      INCIDENT_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/123456789012/incident',
      ALERT_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/123456789012/alert',
      LEDGER_TABLE: 'ledger',
    },
    userName: 'alice',
    readText: async () => Promise.reject(new Error('no list')),
    runWorker: async () => undefined,
    openQueue: (queueUrl) => ({
      queueUrl,
      region: async () => 'eu-west-1',
      send: async (sent) => {
        bodies.push(...sent.map((body) => JSON.parse(body) as unknown));
        return sent.map(() => ({ done: true }));
      },
      [Symbol.dispose]: () => undefined,
    }),
    openArchive: async (table) => ({
      region: async () => 'eu-west-1',
      ofCertificate: async (_deployment, name) => {
        looked.push([table, name]);
        return { kind: 'found', lines: [{ at: 'then', certificateId: name }] };
      },
      ofIncident: async (_deployment, name) => {
        looked.push([table, name]);
        return { kind: 'found', lines: [] };
      },
      [Symbol.dispose]: () => undefined,
    }),
    openBrake: async (table) => ({
      region: async () => 'eu-west-1',
      windows: () => ({
        read: async () => ({ kind: 'answered', value: { window: emptyWindow, version: 0 } }),
        replace: async (lane, { window }) => {
          looked.push([table, lane, String(window.liftedUntilMs)]);
          return { kind: 'answered', value: 'replaced' };
        },
      }),
      [Symbol.dispose]: () => undefined,
    }),
    askAccountId: async () => '111122223333',
    wallClock: () => 1000,
    print: (line) => (out += `${line}\n`),
    complain: (line) => (err += `${line}\n`),
    write: (text) => (out += text),
    writeError: (text) => (err += text),
    clock,
    random: () => 0.5,
    interruption: () => new AbortController().signal,
    ...other,
  };
  const exitCode = await clock.run(runProgram(given, ports));
  return { exitCode, out, err, bodies, looked };
}

describe('iot-revoke send', () => {
  test('goes to the incident lane, on the word of the user, unless told otherwise', async () => {
    const { exitCode, out, bodies } = await run(['send', '--status', 'REVOKED', id]);
    expect(out).toBe('1 request sent to the incident lane\n');
    expect(bodies).toEqual([{ certificateId: id, newStatus: 'REVOKED', requestedBy: 'alice' }]);
    expect(exitCode).toBe(0);
  });

  test('says in the requests all that its options say', async () => {
    const { out, bodies } = await run(
      [
        ['send', '--status', 'INACTIVE', '--lane', 'alert', '--reason', 'certificateHold'],
        ['--incident-id', 'INC-7', '--requested-by', 'bob', '--comment', 'a clone?', id],
      ].flat(),
    );
    expect(out).toBe('1 request sent to the alert lane (incidentId INC-7)\n');
    expect(bodies).toEqual([
      {
        certificateId: id,
        newStatus: 'INACTIVE',
        requestedBy: 'bob',
        reason: 'certificateHold',
        incidentId: 'INC-7',
        comment: 'a clone?',
      },
    ]);
  });

  test.each([
    ['a file', ['--file', 'list.txt'], 'list.txt'],
    ['standard input', [], undefined],
    ['standard input, by its common name', ['--file', '-'], undefined],
  ])('reads the list from %s', async (_what, options, expected) => {
    const asked: unknown[] = [];
    const readText = async (file: string | undefined): Promise<string> => {
      asked.push(file);
      return `# list\n${id}\n`;
    };
    const { bodies } = await run(['send', '--status', 'REVOKED', ...options], { readText });
    expect(asked).toEqual([expected]);
    expect(bodies).toMatchObject([{ certificateId: id }]);
  });

  test.each([
    ['ENOENT', 'there is no such file'],
    ['EISDIR', 'it is a directory; a file with one certificate per line is expected'],
    ['EACCES', 'you may not read it'],
    ['EIO', 'i/o error'],
  ])('says in words why a list cannot be read (%s)', async (code, words) => {
    const readText = async (): Promise<string> =>
      Promise.reject(Object.assign(new Error('i/o error'), { code }));
    const given = ['send', '--status', 'REVOKED', '--file', 'list.txt'];
    expect(await run(given, { readText })).toEqual({
      exitCode: 1,
      out: '',
      err: `Nothing was sent: list.txt: ${words}\n`,
      bodies: [],
      looked: [],
    });
  });

  test('hides no bug', async () => {
    await expect(run(['send', '--status', 'REVOKED'])).rejects.toThrow('no list');
  });

  test.each([
    [['send', id], /^error: required option '--status <status>' not specified\n/],
    [['send', '--status', 'ACTIVE', id], /^error: .*'ACTIVE' is invalid\. Allowed choices are /],
    [['send', '--status', 'REVOKED', '--lane', 'fast', id], /^error: .*'fast' is invalid\./],
    [
      ['send', '--status', 'REVOKED', '--resaon', 'x', id],
      /^error: .*\(Did you mean --reason\?\)/s,
    ],
    [
      ['send', '--status', 'REVOKED', '--reason', 'x', id],
      /^error: --reason: it holds "x"; one of /,
    ],
    [
      ['send', '--status', 'REVOKED', '--incident-id', '', id],
      /^error: --incident-id: it is empty/,
    ],
    [['send', '--status', 'REVOKED', '--file', ''], /^error: --file: it is empty/],
    [['send', '--status', 'REVOKED', '--file', 'a', id], /^error: --file: certificates are given/],
    [['sned'], /^error: unknown command 'sned'\n\(Did you mean send\?\)/],
    [['worker', 'fast'], /^error: too many arguments/],
    [['audit'], /^Usage: iot-revoke audit /],
    [['audit', 'incidnet', 'INC-7'], /^error: unknown command .*\(Did you mean incident\?\)/s],
    [['audit', 'incident'], /^error: missing required argument 'id'/],
    [['audit', 'incident', 'INC-7', 'INC-8'], /^error: too many arguments/],
    [['audit', 'certificate', 'abc'], /^error: certificateId: it holds "abc"; /],
    [['audit', 'certificate', '--tabel', 'x', id], /^error: .*\(Did you mean --table\?\)/s],
    [['brake'], /^Usage: iot-revoke brake /],
    [['brake', 'lfit', 'alert'], /^error: unknown command .*\(Did you mean lift\?\)/s],
    [['brake', 'lift'], /^error: missing required argument 'lane'/],
    [['brake', 'lift', 'fast'], /^error: .*'fast' is invalid.* Allowed choices are incident/],
    [['brake', 'lift', 'alert', '--minutes', '0'], /^error: .*A whole number of 1 to 1440/],
    [['brake', 'lift', 'alert', '--minutes', '1441'], /^error: .*A whole number of 1 to 1440/],
    [['brake', 'lift', 'alert', '--minutes', '1.5'], /^error: .*A whole number of 1 to 1440/],
    [['brake', 'lift', 'alert', '--minutes', 'x'], /^error: .*A whole number of 1 to 1440/],
    [['brake', 'status', 'alert'], /^error: too many arguments/],
    [['brake', 'restore', 'alert', '--minutes', '5'], /^error: unknown option '--minutes'/],
    [[], /^Usage: iot-revoke /],
  ])('exits 2 on %j, does nothing, and says why', async (given, why) => {
    const { exitCode, out, err, bodies } = await run(given);
    expect([exitCode, out, bodies]).toEqual([2, '', []]);
    expect(err).toMatch(why);
  });

  test('asks for a name where the user has none', async () => {
    const nameless = await run(['send', '--status', 'REVOKED', id], { userName: undefined });
    expect(nameless).toMatchObject({ exitCode: 2, bodies: [] });
    expect(nameless.err).toMatch(/^error: --requested-by: /);
  });
});

describe('iot-revoke audit', () => {
  test('prints what is known of a certificate', async () => {
    const { exitCode, out, looked } = await run(['audit', 'certificate', id]);
    expect(looked).toEqual([['ledger', id]]);
    expect(out).toBe(`${JSON.stringify({ at: 'then', certificateId: id })}\n`);
    expect(exitCode).toBe(0);
  });

  test('exits with 1 if nothing is known of an incident', async () => {
    const { exitCode, out, err, looked } = await run(['audit', 'incident', 'INC-7']);
    expect(looked).toEqual([['ledger', 'INC-7']]);
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toMatch(/^nothing is known of incident INC-7 in table ledger /);
  });

  test('reads another table, and writes for people', async () => {
    const options = ['--table', 'another', '--pretty'];
    const { out, looked } = await run(['audit', 'certificate', ...options, id]);
    expect(looked).toEqual([['another', id]]);
    expect(out).toBe(`then  ${id}\n`);
  });
});

describe('iot-revoke brake', () => {
  test('shows each lane', async () => {
    const { exitCode, out, err } = await run(['brake', 'status']);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    expect([exitCode, err]).toEqual([0, '']);
  });

  test('lifts for an hour, unless told otherwise', async () => {
    expect(await run(['brake', 'lift', 'alert'])).toMatchObject({
      exitCode: 0,
      out: '{"lane":"alert","admittedInLastHour":0,"liftedUntil":"1970-01-01T01:00:01.000Z"}\n',
      looked: [['ledger', 'alert', '3601000']],
    });
    const options = ['--minutes', '5', '--table', 'another'];
    expect(await run(['brake', 'lift', 'rotation', ...options])).toMatchObject({
      looked: [['another', 'rotation', '301000']],
    });
  });

  test('restores', async () => {
    expect(await run(['brake', 'restore', 'alert'])).toMatchObject({
      exitCode: 0,
      looked: [['ledger', 'alert', 'undefined']],
    });
  });

  test('does nothing, and says why, where it cannot', async () => {
    const { exitCode, out, err } = await run(['brake', 'lift', 'alert'], { environment: {} });
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toMatch(/^error: LEDGER_TABLE: it is not set; /);
  });
});

describe('iot-revoke', () => {
  test('prints its version', async () => {
    expect(await run(['--version'])).toMatchObject({ exitCode: 0, out: '1.2.3\n', err: '' });
  });

  test.each([
    ['--help'],
    ['help'],
    ['send', '--help'],
    ['help', 'send'],
    ['audit', '--help'],
    ['audit', 'incident', '--help'],
    ['brake', '--help'],
    ['brake', 'lift', '--help'],
  ])('helps with %s, and says what its exit codes mean', async (...given) => {
    const { exitCode, out } = await run(given);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^Usage: iot-revoke .*^Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 /ms);
  });

  test.each([
    ['send', '--help'],
    ['audit', '--help'],
    ['audit', 'certificate', '--help'],
    ['brake', '--help'],
    ['brake', 'status', '--help'],
    ['brake', 'lift', '--help'],
    ['brake', 'restore', '--help'],
  ])('helps within 80 columns: %s %s', async (...given) => {
    const { out } = await run(given);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('runs the worker', async () => {
    let ran = 0;
    const runWorker = async (): Promise<void> => {
      ran += 1;
    };
    expect(await run(['worker'], { runWorker })).toMatchObject({ exitCode: 0, err: '' });
    expect(ran).toBe(1);
  });
});
