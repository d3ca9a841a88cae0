// Whose credentials we have: asked of STS once, where AWS_ACCOUNT_ID does not say.

import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { httpHandler } from './client.ts';

/** The account of the credentials in use. Rejects as the SDK does. */
export async function askAccountId(): Promise<string> {
  const client = new STSClient({
    requestHandler: httpHandler({ maxSockets: 1, requestTimeoutMs: 5000 }),
  });
  try {
    const { Account } = await client.send(new GetCallerIdentityCommand({}));
    if (Account === undefined) throw new Error('STS named no account');
    return Account;
  } finally {
    client.destroy();
  }
}
