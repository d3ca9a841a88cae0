// What a request needs now. Promise 2 in one place: a request is covered only by a call that started
// after it was sent, and it never joins one that has already started.

import type { Ledger, Proof } from './ledger.ts';
import type { Message } from './message.ts';
import type { Request } from './request.ts';
import type { Update } from './update.ts';

export type Decision =
  /** A call that started after it was sent covers it: SQS's clock says so. */
  | { readonly kind: 'covered'; readonly proof: Proof }
  /** An update for its certificate is open: wait for it. */
  | { readonly kind: 'join'; readonly update: Update }
  /** Nobody has asked for this certificate yet. */
  | { readonly kind: 'open' };

export function decide(
  { certificateId, newStatus }: Pick<Request, 'certificateId' | 'newStatus'>,
  { sentAtMs, messageId }: Pick<Message, 'sentAtMs' | 'messageId'>,
  ledger: Pick<Ledger, 'covering'>,
  update: Update | undefined,
): Decision {
  const proof = ledger.covering(certificateId, newStatus, sentAtMs, messageId);
  if (proof !== undefined) return { kind: 'covered', proof };
  return update === undefined ? { kind: 'open' } : { kind: 'join', update };
}
