// The command line `iot-revoke`: its commands, options, help and exit codes.

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { lanes, type Lane } from '../lane.ts';
import { statuses, type Status } from '../status.ts';
import { audit, type AuditPorts, type Question } from './audit.ts';
import { brake, mostMinutes, type BrakeCommandPorts, type BrakeOrder } from './brake.ts';
import { listedAsArguments, listedInText, type Listed } from './certificate-list.ts';
import { problemsOf, type OrderFields } from './order.ts';
import { send, type SendPorts } from './send.ts';

/** 0: done; 1: something was not; 2: the command line cannot be understood, or nobody could look. */
export type ExitCode = 0 | 1 | 2;

export interface ProgramPorts extends SendPorts, AuditPorts, BrakeCommandPorts {
  readonly version: string;
  /** The operating system's name of the user; undefined if it has none. */
  readonly userName: string | undefined;
  /** Reads a file, or standard input if none is named. It rejects with Node's error. */
  readonly readText: (file: string | undefined) => Promise<string>;
  /** Runs the long-polling worker until it is stopped. */
  readonly runWorker: () => Promise<void>;
  /** Writes help, or the version. */
  readonly write: (text: string) => void;
  /** Writes what is wrong with the command line. */
  readonly writeError: (text: string) => void;
}

/** Runs the command line `given`, without the program's own name. Answers the exit code. */
export async function runProgram(given: readonly string[], ports: ProgramPorts): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = new Command('iot-revoke')
    .description(
      'Takes device certificates out of service on AWS IoT Core: sends requests to a worker, or is it.',
    )
    .version(ports.version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand('help [command]', 'print help')
    .addHelpText('after', programDetails)
    .configureOutput({ writeOut: ports.write, writeErr: ports.writeError })
    .exitOverride();
  program
    .command('send')
    .copyInheritedSettings(program)
    .summary('ask for certificates to be taken out of service')
    .usage('--status <status> [options] [certificates...]')
    .description(sendDescription)
    .argument(
      '[certificates...]',
      'ids (64 hexadecimal characters) or ARNs; without any, standard input or the file is read',
    )
    .addOption(
      new Option('--status <status>', 'REVOKED is for ever; INACTIVE can be undone')
        .choices(statuses)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--lane <lane>', 'whose queue, the most urgent first')
        .choices(lanes)
        .default('incident' satisfies Lane),
    )
    .option(
      '--file <path>',
      'read the certificates from this file, one per line; - is standard input',
    )
    .option('--reason <reason>', 'keyCompromise, superseded or another reason of RFC 5280')
    .option('--incident-id <id>', 'the incident that this belongs to')
    .option('--requested-by <who>', 'on whose word (default: your user name)')
    .option('--comment <text>', 'anything else that should be on record')
    .option('--dry-run', 'print the requests, and send nothing')
    .helpOption('--help', 'print this help')
    .addHelpText('after', sendDetails)
    .action(async (certificates: readonly string[], options: SendOptions, command: Command) => {
      exitCode = await runSend(certificates, options, command, ports);
    });
  const auditing = program
    .command('audit')
    .copyInheritedSettings(program)
    .summary('who took a certificate out of service, when and why')
    .usage('certificate|incident <id> [options]')
    .description(auditDescription)
    .helpOption('--help', 'print this help')
    .helpCommand('help [command]', 'print help')
    .addHelpText('after', auditDetails);
  const addQuestion = (
    name: Question['kind'],
    what: string,
    ask: (id: string) => Question,
  ): void => {
    auditing
      .command(name)
      .copyInheritedSettings(auditing)
      .summary(what)
      .usage('<id> [options]')
      .description(`Print ${what}, the oldest first.`)
      .argument('<id>', idOf[name])
      .option('--table <table>', 'the ledger’s table (default: LEDGER_TABLE)')
      .option('--pretty', 'for people’s eyes, instead of JSON lines')
      .helpOption('--help', 'print this help')
      .addHelpText('after', auditDetails)
      .action(async (id: string, { table, pretty = false }: AuditOptions) => {
        exitCode = await audit({ question: ask(id), table, pretty }, ports);
      });
  };
  addQuestion('certificate', 'what was done to a certificate', (certificate) => ({
    kind: 'certificate',
    certificate,
  }));
  addQuestion('incident', 'what was done for an incident', (incidentId) => ({
    kind: 'incident',
    incidentId,
  }));
  addBrake(program, async (order, { table }) => {
    exitCode = await brake(order, table, ports);
  });
  program
    .command('worker')
    .copyInheritedSettings(program)
    .summary('read the queues and revoke, until stopped')
    .description('Run the long-polling worker from the environment, the same as `npm start`.')
    .helpOption('--help', 'print this help')
    .action(ports.runWorker);
  try {
    await program.parseAsync(given, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
}

/** `brake status`, `brake lift` and `brake restore`. */
function addBrake(
  program: Command,
  carryOut: (order: BrakeOrder, options: TableOptions) => Promise<void>,
): void {
  const brakes = program
    .command('brake')
    .copyInheritedSettings(program)
    .summary('see how full the lanes’ hours are; let a held lane go')
    .usage('status|lift|restore [options]')
    .description(brakeDescription)
    .helpOption('--help', 'print this help')
    .helpCommand('help [command]', 'print help')
    .addHelpText('after', brakeDetails);
  const add = (name: BrakeOrder['kind'], summary: string): Command =>
    brakes
      .command(name)
      .copyInheritedSettings(brakes)
      .summary(summary)
      .description(`${summary}.`)
      .option('--table <table>', 'the ledger’s table (default: LEDGER_TABLE)')
      .helpOption('--help', 'print this help')
      .addHelpText('after', brakeDetails);
  const lane = new Argument('<lane>', 'which lane').choices(lanes);
  add('status', 'Print how many certificates each lane has let go in the last hour').action(
    (options: TableOptions) => carryOut({ kind: 'status' }, options),
  );
  add('lift', 'Hold nothing in a lane, and count nothing, for some time')
    .addArgument(lane)
    .option('--minutes <n>', `for so long, 1 to ${mostMinutes}`, readMinutes, 60)
    .action((of: Lane, { minutes, ...options }: TableOptions & { readonly minutes: number }) =>
      carryOut({ kind: 'lift', lane: of, minutes }, options),
    );
  add('restore', 'End a lift: the lane’s ceiling counts again')
    .addArgument(lane)
    .action((of: Lane, options: TableOptions) => carryOut({ kind: 'restore', lane: of }, options));
}

function readMinutes(text: string): number {
  const minutes = Number(text);
  if (/^\d+$/.test(text) && minutes >= 1 && minutes <= mostMinutes) return minutes;
  throw new InvalidArgumentError(`A whole number of 1 to ${mostMinutes} is expected.`);
}

interface TableOptions {
  readonly table?: string;
}

interface SendOptions {
  readonly status: Status;
  readonly lane: Lane;
  readonly file?: string;
  readonly reason?: string;
  readonly incidentId?: string;
  readonly requestedBy?: string;
  readonly comment?: string;
  readonly dryRun?: true;
}

interface AuditOptions extends TableOptions {
  readonly pretty?: boolean;
}

async function runSend(
  certificates: readonly string[],
  options: SendOptions,
  command: Command,
  ports: ProgramPorts,
): Promise<ExitCode> {
  const { reason, incidentId, comment } = options;
  const requestedBy = options.requestedBy ?? ports.userName;
  const fields: OrderFields = {
    newStatus: options.status,
    requestedBy,
    reason,
    incidentId,
    comment,
  };
  const problems = [
    ...problemsOf(fields),
    ...(certificates.length > 0 && options.file !== undefined
      ? ['--file: certificates are given as arguments, too; one of the two is expected']
      : []),
    ...(options.file === '' ? ['--file: it is empty; the path of a list is expected'] : []),
  ];
  if (problems.length > 0) command.error(problems.map((line) => `error: ${line}`).join('\n'));
  const listing = await readList(certificates, options.file, ports);
  if (listing.kind === 'failed') {
    ports.complain(`Nothing was sent: ${listing.problem}`);
    return 1;
  }
  const order = { lane: options.lane, fields, dryRun: options.dryRun ?? false };
  return send(order, listing.list, ports);
}

type Listing =
  | { readonly kind: 'list'; readonly list: readonly Listed[] }
  | { readonly kind: 'failed'; readonly problem: string };

async function readList(
  certificates: readonly string[],
  file: string | undefined,
  { readText }: ProgramPorts,
): Promise<Listing> {
  if (certificates.length > 0) return { kind: 'list', list: listedAsArguments(certificates) };
  try {
    return { kind: 'list', list: listedInText(await readText(file === '-' ? undefined : file)) };
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === undefined) throw error; // no answer of the file system: a bug
    return { kind: 'failed', problem: `${file ?? 'standard input'}: ${wordsOf[code] ?? message}` };
  }
}

const wordsOf: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory; a file with one certificate per line is expected',
  EACCES: 'you may not read it',
};

const sendDescription =
  'Send one request for each certificate to a lane’s queue. The whole list is checked first: if anything in it is wrong, all that is wrong is told, and nothing is sent.';

const auditDescription =
  'Read from the ledger’s DynamoDB table who took a certificate out of service, when, on whose word and why: one JSON line for each entry on standard output, the oldest first.';

const brakeDescription =
  'Each lane lets only so many certificates go in an hour; at its ceiling it is held, and its messages stay in the queue. See how full the hours are, let a held lane go for a while, or hold it to its ceiling again. The workers must share the table.';

const idOf: Readonly<Record<Question['kind'], string>> = {
  certificate: 'its id (64 hexadecimal characters) or ARN',
  incident: 'its incidentId, as the requests name it',
};

const exitCodes = `
Exit codes:
  0  done; after \`send\`: every request is in the queue
  1  not all of it was done; standard error says what was not, and why
  2  the command line is wrong; nothing was done`;

const programDetails = `
\`iot-revoke send --help\`, \`iot-revoke audit --help\` and \`iot-revoke brake --help\`
have examples.
${exitCodes}`;

const auditDetails = `
Of each status the ledger keeps the latest call for a certificate, and the first
five who asked for it; the log has all of them.

Environment:
  LEDGER_TABLE                       the table; --table goes before it
  AWS_ACCOUNT_ID                     whose certificates; else STS is asked
  AWS_PROFILE, AWS_REGION and so on  as every AWS tool reads them

Examples:
  iot-revoke audit incident INC-7 --pretty
  iot-revoke audit incident INC-7 | jq -r .certificateId | sort -u
  iot-revoke audit certificate \\
    6f1ed002ab5595859014ebf0951522d9c8f4a6c1e2b7d3058a94c7e1f2b3d405

Exit codes:
  0  something was found
  1  nothing was found
  2  nobody could look; standard error says why`;

const brakeDetails = `
Prints a line of JSON for each lane that it is about. The workers find out
within seconds.

Environment:
  LEDGER_TABLE                       the table; --table goes before it
  AWS_ACCOUNT_ID                     whose certificates; else STS is asked
  AWS_PROFILE, AWS_REGION and so on  as every AWS tool reads them

Examples:
  iot-revoke brake status
  iot-revoke brake lift alert --minutes 30
  iot-revoke brake restore alert

Exit codes:
  0  done
  1  not done; standard error says why
  2  the command line is wrong; nothing was done`;

const sendDetails = `
A list has one certificate per line; blank lines, and all from a # on, are
ignored. A certificate that is listed twice is sent once.

Environment:
  INCIDENT_QUEUE_URL, ALERT_QUEUE_URL, ROTATION_QUEUE_URL
                                     the lanes’ queues
  AWS_ACCOUNT_ID                     if set, ARNs of other accounts are refused
  AWS_PROFILE, AWS_REGION and so on  as every AWS tool reads them

Examples:
  # One device, for ever:
  iot-revoke send --status REVOKED --reason keyCompromise --incident-id INC-7 \\
    6f1ed002ab5595859014ebf0951522d9c8f4a6c1e2b7d3058a94c7e1f2b3d405

  # Many, from a file: look first, then send.
  iot-revoke send --status REVOKED --incident-id INC-7 \\
    --file compromised.txt --dry-run
  iot-revoke send --status REVOKED --incident-id INC-7 \\
    --file compromised.txt

  # Whatever another command finds, for now:
  grep -oE '[0-9a-f]{64}' report.txt |
    iot-revoke send --status INACTIVE --comment 'seen in the leak'
${exitCodes}`;
