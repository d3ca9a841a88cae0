// The shared ledger as an auditor sees it: who took what out of service, when, on whose word, and why.

import {
  paginateQuery,
  type DynamoDBClient,
  type QueryCommandInput,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import type { AuditLine, Archive, Findings } from '../command/audit.ts';
import type { Failure } from '../call.ts';
import type { Deployment } from '../request.ts';
import { statuses } from '../status.ts';
import { failureOf } from './failure.ts';
import {
  certificateItem,
  certificateKeyOf,
  firstRevocation,
  incidentIndex,
  incidentKey,
  incidentKeyOf,
  partitionKey,
  sortKey,
  type Slot,
} from './ledger-item.ts';
import { createPersonsClient } from './ledger-table.ts';

/** Opens a table for reading. */
export function openArchive(table: string): Archive {
  const client = createPersonsClient(table);
  return {
    region: async () => client.config.region().catch(() => undefined),
    ofCertificate: (deployment, certificateId) =>
      findingsOf(async () => linesOf(await itemsOf(client, table, deployment, certificateId))),
    ofIncident: (deployment, incidentId) =>
      findingsOf(async () =>
        linesOf(await itemsUnder(client, table, deployment, incidentId), incidentId),
      ),
    [Symbol.dispose]: () => client.destroy(),
  };
}

type Item = Readonly<Record<string, unknown>>;

async function itemsOf(
  client: DynamoDBClient,
  table: string,
  deployment: Deployment,
  certificateId: string,
): Promise<readonly Item[]> {
  return query(client, {
    TableName: table,
    ConsistentRead: true,
    ...keyIs(partitionKey, certificateKeyOf(deployment, certificateId)),
  });
}

/** By the index: DynamoDB brings it up to date within about a second. */
async function itemsUnder(
  client: DynamoDBClient,
  table: string,
  deployment: Deployment,
  incidentId: string,
): Promise<readonly Item[]> {
  return query(client, {
    TableName: table,
    IndexName: incidentIndex,
    ...keyIs(incidentKey, incidentKeyOf(deployment, incidentId)),
  });
}

function keyIs(
  name: string,
  value: string,
): Pick<
  QueryCommandInput,
  'KeyConditionExpression' | 'ExpressionAttributeNames' | 'ExpressionAttributeValues'
> {
  return {
    KeyConditionExpression: '#key = :key',
    ExpressionAttributeNames: { '#key': name },
    ExpressionAttributeValues: marshall({ ':key': value }),
  };
}

/** All pages, or none: half an audit would look like a whole one. */
async function query(client: DynamoDBClient, input: QueryCommandInput): Promise<readonly Item[]> {
  const items: Item[] = [];
  for await (const { Items = [] } of paginateQuery({ client }, input)) {
    // A number that somebody wrote by hand may be larger than JavaScript's.
    items.push(...Items.map((item) => unmarshall(item, { wrapNumbers: Number })));
  }
  return items;
}

async function findingsOf(look: () => Promise<readonly AuditLine[]>): Promise<Findings> {
  try {
    return { kind: 'found', lines: await look() };
  } catch (error) {
    return { kind: 'failed', problem: problemOf(failureOf(error)) };
  }
}

function problemOf({ kind, name, message }: Failure): string {
  const told = `${name}: ${message}`;
  if (kind === 'not-found') return `there is no such table (${told})`;
  return kind === 'unauthorized'
    ? `it may not be read (${told}); dynamodb:Query on the table and its index "${incidentIndex}" is needed`
    : `it could not be read (${told})`;
}

const slots: readonly Slot[] = [...statuses.toReversed(), 'UNPROVEN'];

/** What a slot says that only the worker needs; and what only the key may say. */
const workings: ReadonlySet<string> = new Set([
  'version',
  'watermarkMs',
  'how',
  'messageId',
  'certificateId',
]);

/** The lines of items as they are in the table, the oldest first; of an incident, what belongs to it. */
function linesOf(items: readonly Item[], incidentId?: string): readonly AuditLine[] {
  const calls = items
    .filter((item) => item[sortKey] === certificateItem)
    .flatMap((item) => callsOf(item, incidentId));
  const told = new Set(calls.flatMap(requestsIn));
  const filed = items
    .filter((item) => item[sortKey] !== certificateItem)
    .map((item) => lineOf(item, item['filed']))
    // What a call's own line tells needs no second one.
    .filter((line) => {
      const requests = requestsIn(line);
      return requests.length === 0 || !requests.every((request) => told.has(request));
    });
  return [...calls, ...filed].toSorted((one, other) =>
    compare(`${one.at} ${one.certificateId}`, `${other.at} ${other.certificateId}`),
  );
}

function callsOf(item: Item, incidentId: string | undefined): readonly AuditLine[] {
  const lines = [
    ...slots
      .filter((slot) => item[slot] !== undefined)
      .map((slot) => lineOf(item, item[slot], slot === 'UNPROVEN' ? undefined : slot)),
    ...firstOf(item),
  ];
  if (incidentId === undefined) return lines;
  const isIts = (line: AuditLine): boolean =>
    askedIn(line).some((one) => isName(one['incidentId'], incidentId));
  const [strongest, ...others] = lines;
  if (strongest === undefined) return [];
  // What the certificate has come to is told in any case.
  const note = 'no request of this incident is kept here; if there was one, the log has it';
  return [isIts(strongest) ? strongest : { ...strongest, note }, ...others.filter(isIts)];
}

/** Who revoked first, where somebody has done so again. */
function firstOf(item: Item): readonly AuditLine[] {
  if (item[firstRevocation] === undefined) return [];
  const first = lineOf(item, item[firstRevocation], 'REVOKED');
  const last = lineOf(item, item['REVOKED'], 'REVOKED');
  return first.at === last.at ? [] : [{ note: 'the first; it was done again later', ...first }];
}

/** Whether it is kept under this name; of a long one the table has the beginning. */
function isName(kept: unknown, name: string): boolean {
  if (typeof kept !== 'string') return false;
  return kept === name || (kept.endsWith('…') && name.startsWith(kept.slice(0, -1)));
}

/** One line; whatever stands in the table is shown, whoever wrote it. */
function lineOf(item: Item, value: unknown, status?: string): AuditLine {
  const certificateId = String(item[partitionKey]).split('/').at(-1) ?? '';
  if (typeof value !== 'object' || value === null) {
    return { at: '', certificateId, ...(status && { status }), note: unreadable, value };
  }
  const { at, ...told } = Object.fromEntries(
    Object.entries(value).filter(([name]) => !workings.has(name)),
  ) as Item;
  const isOurs = typeof at === 'string' && 'asked' in told;
  return {
    at: typeof at === 'string' ? at : '',
    certificateId,
    ...(status && { status }),
    ...told,
    ...(!isOurs && { note: unreadable }),
  };
}

const unreadable = 'the worker did not write this';

function askedIn({ asked }: AuditLine): readonly Item[] {
  return Array.isArray(asked) ? asked.filter((one) => typeof one === 'object' && one !== null) : [];
}

/** A message can ask for several certificates. */
function requestsIn(line: AuditLine): readonly string[] {
  return askedIn(line).map(({ messageId }) => `${line.certificateId} ${String(messageId)}`);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
