// `iot-revoke audit`: what the shared ledger keeps of a certificate or of an incident, a line each.

import type { Environment } from '../config.ts';
import { harmless, quote } from '../quote.ts';
import type { Deployment } from '../request.ts';
import { readAsWritten } from './draft.ts';
import { accountProblem, namedTable, noAccount, noRegion } from './table.ts';

/** What somebody wants to know. */
export type Question =
  | { readonly kind: 'certificate'; readonly certificate: string }
  | { readonly kind: 'incident'; readonly incidentId: string };

export interface Audit {
  readonly question: Question;
  /** The table, if the command line names one. */
  readonly table: string | undefined;
  /** For people's eyes, instead of JSON. */
  readonly pretty: boolean;
}

/** A line of an audit. The names are those of the log. */
export interface AuditLine {
  /** When it was entered, ISO 8601; empty if nobody knows. */
  readonly at: string;
  readonly certificateId: string;
  readonly [name: string]: unknown;
}

/** The ledger's table, for reading. No method rejects. */
export interface Archive extends Disposable {
  /** Where the table is; undefined if nothing names a region. */
  readonly region: () => Promise<string | undefined>;
  readonly ofCertificate: (deployment: Deployment, certificateId: string) => Promise<Findings>;
  readonly ofIncident: (deployment: Deployment, incidentId: string) => Promise<Findings>;
}

export type Findings =
  /** The oldest first. */
  | { readonly kind: 'found'; readonly lines: readonly AuditLine[] }
  | { readonly kind: 'failed'; readonly problem: string };

export interface AuditPorts {
  readonly environment: Environment;
  readonly openArchive: (table: string) => Promise<Archive>;
  /** The account of the credentials; rejects as the SDK does. */
  readonly askAccountId: () => Promise<string>;
  /** Shows a line of the result. */
  readonly print: (line: string) => void;
  /** Shows a line about what went otherwise than asked. */
  readonly complain: (line: string) => void;
}

/** Answers the exit code: 0 if something was found, 1 if nothing, 2 if nobody could look. */
export async function audit(
  { question, table, pretty }: Audit,
  ports: AuditPorts,
): Promise<0 | 1 | 2> {
  const findings = await look(question, table, ports);
  if (findings.kind === 'failed') {
    for (const problem of findings.problems) ports.complain(`error: ${problem}`);
    return 2;
  }
  const { lines } = findings;
  for (const line of lines) ports.print(pretty ? sentenceOf(line) : harmless(JSON.stringify(line)));
  const certificates = new Set(lines.map(({ certificateId }) => certificateId)).size;
  ports.complain(
    lines.length === 0
      ? `nothing is known of ${nameOf(question)} in ${findings.where}`
      : `${count(lines.length, 'entry', 'entries')}, ${count(certificates, 'certificate', 'certificates')}`,
  );
  return lines.length === 0 ? 1 : 0;
}

type Looked =
  | { readonly kind: 'found'; readonly lines: readonly AuditLine[]; readonly where: string }
  | { readonly kind: 'failed'; readonly problems: readonly string[] };

async function look(
  question: Question,
  given: string | undefined,
  { environment, openArchive, askAccountId }: AuditPorts,
): Promise<Looked> {
  const { table, name, problem: tableProblem } = namedTable(given, environment);
  using archive = tableProblem === undefined ? await openArchive(table) : undefined;
  const region = await archive?.region();
  const wrongAccount = accountProblem(environment);
  const asked = readQuestion(question, { region, accountId: environment['AWS_ACCOUNT_ID'] });
  const problems = [
    ...(tableProblem === undefined ? [] : [tableProblem]),
    ...(archive !== undefined && region === undefined ? [noRegion] : []),
    ...(wrongAccount === undefined ? [] : [wrongAccount]),
    ...asked.problems,
  ];
  if (archive === undefined || region === undefined || problems.length > 0) {
    return { kind: 'failed', problems };
  }
  let { accountId } = asked;
  try {
    accountId ??= await askAccountId();
  } catch (error) {
    return { kind: 'failed', problems: [noAccount(error)] };
  }
  const findings = await (question.kind === 'certificate'
    ? archive.ofCertificate({ accountId, region }, asked.name)
    : archive.ofIncident({ accountId, region }, asked.name));
  return findings.kind === 'failed'
    ? { kind: 'failed', problems: [`${name}: table ${table} in ${region}: ${findings.problem}`] }
    : { ...findings, where: `table ${table} (account ${accountId}, ${region})` };
}

interface Asked {
  /** The certificate's id, or the incident's. */
  readonly name: string;
  /** As far as it is known; undefined asks STS. */
  readonly accountId: string | undefined;
  readonly problems: readonly string[];
}

/** The question as the worker would read it. An ARN names its account. */
function readQuestion(
  question: Question,
  home: { readonly region: string | undefined; readonly accountId: string | undefined },
): Asked {
  const accountId = home.accountId || undefined;
  if (question.kind === 'incident') {
    const { incidentId } = question;
    const problems = incidentId === '' ? ['incidentId: it is empty; which incident is meant?'] : [];
    return { name: incidentId, accountId, problems };
  }
  const { reading } = readAsWritten(question.certificate.trim(), { newStatus: 'REVOKED' });
  if (reading.kind === 'refused') return { name: '', accountId, problems: [reading.reason] };
  const [request] = reading.requests;
  if (request?.partition === undefined) {
    return { name: request?.certificateId ?? '', accountId, problems: [] };
  }
  const problems = [
    ...(home.region === undefined || request.region === home.region
      ? []
      : [`certificateArn: it is of region ${request.region}, but the table is in ${home.region}`]),
    ...(accountId === undefined || request.accountId === accountId
      ? []
      : [
          `certificateArn: it is of account ${request.accountId}, but AWS_ACCOUNT_ID is ${accountId}`,
        ]),
  ];
  return { name: request.certificateId, accountId: request.accountId, problems };
}

function nameOf(question: Question): string {
  return question.kind === 'certificate'
    ? `certificate ${question.certificate}`
    : `incident ${question.incidentId}`;
}

/** What a person wants to see of a line; the rest of it is in the JSON. */
function sentenceOf(line: AuditLine): string {
  const { at, certificateId, outcome, cause, awsRequestId, asked, moreAsked, note } = line;
  const status = line['status'] ?? line['sentStatus'];
  const call = awsRequestId === undefined ? '' : `, AWS request ${shown(awsRequestId)}`;
  return [
    [at, certificateId, status, outcome].map(shown).filter(Boolean).join('  ') + call,
    ...(cause === undefined ? [] : [`  ${shown(cause)}`]),
    ...(Array.isArray(asked) ? asked.map((one: unknown) => `  ${askerOf(one)}`) : []),
    ...(moreAsked === undefined ? [] : [`  and ${shown(moreAsked)} more, whom the log names`]),
    ...(note === undefined ? [] : [`  (${shown(note)})`]),
  ].join('\n');
}

const described = ['reason', 'incidentId', 'requestId', 'lane', 'thingName', 'comment'] as const;

function askerOf(one: unknown): string {
  const asker = Object(one) as Readonly<Record<string, unknown>>;
  const rest = described.flatMap((name) =>
    asker[name] === undefined ? [] : [`${name} ${shown(asker[name])}`],
  );
  return `${shown(asker['newStatus'])} asked by ${whoAsked(asker)}: ${rest.join(', ')}`;
}

/** A person, or the alert that led to it. */
function whoAsked({ requestedBy, origin }: Readonly<Record<string, unknown>>): string {
  const { format, name, id } = Object(origin) as Readonly<Record<string, unknown>>;
  const alert = [format, name, id].map(shown).filter(Boolean).join(' ');
  if (requestedBy !== undefined || alert === '') return shown(requestedBy ?? 'nobody named');
  return `the alert ${alert}`;
}

/** Words as they are; what could trouble a terminal, or a reader, as JSON. */
function shown(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' && /^[\w.,;:@/+ -]*$/.test(value) ? value : quote(value);
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
