// The ledger's table, as the command line or the environment names it, and whose it is.

import { tablePattern, type Environment } from '../config.ts';
import { quote } from '../quote.ts';

export interface NamedTable {
  readonly table: string;
  /** What names it. */
  readonly name: '--table' | 'LEDGER_TABLE';
  /** Why it can be no table, in one sentence. */
  readonly problem?: string;
}

/** @param given what the command line says, which goes before LEDGER_TABLE */
export function namedTable(given: string | undefined, environment: Environment): NamedTable {
  const name = given === undefined ? 'LEDGER_TABLE' : '--table';
  const table = given ?? environment['LEDGER_TABLE'] ?? '';
  const problem = problemOf(name, table);
  return { table, name, ...(problem !== undefined && { problem }) };
}

const expected = 'the name or ARN of the ledger’s DynamoDB table is expected';

/** DynamoDB's own words for a wrong name are long. */
function problemOf(name: NamedTable['name'], table: string): string | undefined {
  if (table === '') {
    return `${name}: it is ${name === '--table' ? 'empty' : 'not set'}; ${expected}`;
  }
  return tablePattern.test(table) ? undefined : `${name}: it holds ${quote(table)}; ${expected}`;
}

export const noRegion =
  'AWS_REGION: it is not set, and neither a profile nor the table’s ARN names a region; e.g. eu-west-1 is expected';

/** Why AWS_ACCOUNT_ID can be no account: under it nothing is known, and no worker looks there. */
export function accountProblem({ AWS_ACCOUNT_ID: held }: Environment): string | undefined {
  return held === undefined || held === '' || /^\d{12}$/.test(held)
    ? undefined
    : `AWS_ACCOUNT_ID: it holds ${quote(held)}; an account id of 12 digits is expected`;
}

/** Why STS could not say whose credentials these are. */
export function noAccount(error: unknown): string {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `AWS_ACCOUNT_ID: it is not set, and STS could not be asked (${why}); whose certificates are meant?`;
}
