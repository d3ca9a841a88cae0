// Whether an account and a region are this deployment's: the same thing name, and the same certificate
// id, mean something else elsewhere.

import { quote } from './quote.ts';
import type { Deployment, Refusal } from './request.ts';
import { refused } from './shape.ts';

/** Why this account and region are not this deployment's; nothing if they are, or are not known. */
export function foreign(
  { account, region }: { readonly account?: string; readonly region?: string },
  path: readonly string[],
  accountField: string,
  regionField: string,
  deployment: Deployment,
): Refusal | undefined {
  if (account !== undefined && account !== deployment.accountId) {
    return refused(
      'foreign-account',
      `${[...path, accountField].join('.')}: it is of account ${quoteBare(account)}; this worker changes certificates of ${deployment.accountId} only`,
    );
  }
  if (region !== undefined && region !== deployment.region) {
    return refused(
      'foreign-region',
      `${[...path, regionField].join('.')}: it is of region ${quoteBare(region)}; this worker changes certificates in ${deployment.region} only`,
    );
  }
  return undefined;
}

/** Quoted only where it is not what an account or a region looks like. */
function quoteBare(text: string): string {
  return /^[a-z0-9-]{1,32}$/.test(text) ? text : quote(text);
}
