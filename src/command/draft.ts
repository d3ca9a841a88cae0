// Drafts: an order and a list of certificates become message bodies, all of them or none. Each is
// read as the worker will read it, so that nothing is sent that the worker would refuse.

import { quote } from '../quote.ts';
import { readRequests, type Reading, type Request } from '../request.ts';
import type { Listed } from './certificate-list.ts';
import type { OrderFields } from './order.ts';

/** A request that is ready to be sent. */
export interface Draft {
  /** The certificate, as it was listed. */
  readonly certificate: string;
  readonly body: string;
}

export type Drafting =
  | {
      readonly kind: 'drafts';
      readonly drafts: readonly Draft[];
      /** Which were listed before, e.g. `line 7 (line 3)`. */
      readonly duplicates: readonly string[];
    }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** Whose certificates the worker at the queue's other end changes, as far as we know. */
export interface Expected {
  readonly accountId: string | undefined;
  readonly region: string | undefined;
}

interface Read extends Draft {
  readonly where: string;
  readonly request: Request;
}

/** Drafts a request for each certificate of a list, or says all that is wrong with the list. */
export function draftRequests(
  list: readonly Listed[],
  fields: OrderFields,
  expected: Expected,
): Drafting {
  if (list.length === 0) {
    return { kind: 'problems', problems: ['the list has no certificate: it is empty'] };
  }
  const readings = list.map((listed) => read(listed, fields));
  const reads = readings.filter((reading) => typeof reading !== 'string');
  const problems = [
    ...readings.filter((reading) => typeof reading === 'string'),
    ...foreigners(reads, expected),
  ];
  return problems.length > 0 ? { kind: 'problems', problems } : withoutDuplicates(reads);
}

/** A draft, or what is wrong with its certificate. */
function read({ where, text }: Listed, fields: OrderFields): Read | string {
  if (/[\s,;|]/.test(text)) {
    return `${where}: it holds ${quote(text)}; one certificate and nothing else is expected (of a table, give only the column with the certificates)`;
  }
  const { body, reading } = readAsWritten(text, fields);
  if (reading.kind === 'refused') return `${where}: ${reading.reason}`;
  const [request] = reading.requests;
  return request === undefined
    ? `${where}: no request`
    : { where, certificate: text, body, request };
}

/**
 * The body of a request for a certificate as a person writes it, and how the worker reads that. An ARN
 * is taken to be at home: compare it with the rest later.
 */
export function readAsWritten(
  text: string,
  fields: object,
): { readonly body: string; readonly reading: Reading } {
  const body = JSON.stringify({
    ...(text.startsWith('arn:') ? { certificateArn: text } : { certificateId: text.toLowerCase() }),
    ...fields,
  });
  const [, , , region = '', accountId = ''] = text.split(':');
  return { body, reading: readRequests(body, { accountId, region }) };
}

/** What is wrong with ARNs of other accounts or regions: a worker serves one, and refuses the rest. */
function foreigners(reads: readonly Read[], expected: Expected): readonly string[] {
  const arns = reads.filter(({ request }) => request.partition !== undefined);
  const [first] = arns;
  if (first === undefined) return [];
  const theFirst = `${first.where} is of`;
  const home = {
    region: expected.region ?? first.request.region,
    accountId: expected.accountId ?? first.request.accountId,
  };
  const whose = {
    region: expected.region === undefined ? theFirst : 'the queue is in',
    accountId: expected.accountId === undefined ? theFirst : 'AWS_ACCOUNT_ID is',
  };
  return arns.flatMap(({ where, request }) =>
    (['region', 'accountId'] as const)
      .filter((which) => request[which] !== home[which])
      .map((which) => {
        const word = which === 'region' ? 'region' : 'account';
        return `${where}: it is of ${word} ${request[which]}, but ${whose[which]} ${home[which]}; a worker serves one ${word}, and refuses the rest`;
      }),
  );
}

function withoutDuplicates(reads: readonly Read[]): Drafting {
  const firsts = new Map<string, Read>();
  const duplicates: string[] = [];
  for (const read of reads) {
    const first = firsts.get(read.request.certificateId);
    if (first === undefined) firsts.set(read.request.certificateId, read);
    else duplicates.push(`${read.where} (${first.where})`);
  }
  const drafts = [...firsts.values()].map(({ certificate, body }) => ({ certificate, body }));
  return { kind: 'drafts', drafts, duplicates };
}
