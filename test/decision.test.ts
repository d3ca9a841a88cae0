import { describe, expect, test } from 'vitest';
import { decide } from '../src/decision.ts';
import { createMemoryLedger, type Proof } from '../src/ledger.ts';
import { openUpdate } from '../src/update.ts';
import { certificateIdOf, messageOf, requestOf } from './helpers/message.ts';

const proof: Proof = { status: 'REVOKED', watermarkMs: 10_000, how: 'applied', messageId: 'm' };
const ledger = createMemoryLedger();
ledger.record(certificateIdOf(0), proof);
const update = openUpdate({ request: requestOf(), message: messageOf(), settle: () => {} });

const sentAt = (sentAtMs: number) => ({ sentAtMs, messageId: 'another' });

describe('a request', () => {
  test('is covered by a call that started after it was sent, even while an update is open', () => {
    expect(decide(requestOf(), sentAt(1000), ledger, undefined)).toEqual({
      kind: 'covered',
      proof,
    });
    expect(decide(requestOf(), sentAt(1000), ledger, update)).toEqual({ kind: 'covered', proof });
  });

  test('joins the open update where no call covers it', () => {
    expect(decide(requestOf(), sentAt(10_000), ledger, update)).toEqual({ kind: 'join', update });
  });

  test('opens an update where none is open and no call covers it', () => {
    expect(decide(requestOf(), sentAt(10_000), ledger, undefined)).toEqual({ kind: 'open' });
    const other = requestOf({ certificateId: certificateIdOf(1) });
    expect(decide(other, sentAt(1000), ledger, undefined)).toEqual({ kind: 'open' });
  });

  test('asks the ledger for its own certificate, status, sent time and message', () => {
    const asked: unknown[] = [];
    const covering = (...question: unknown[]): undefined => void asked.push(question);
    decide(
      { certificateId: 'c', newStatus: 'INACTIVE' },
      { sentAtMs: 7, messageId: 'n' },
      { covering },
      undefined,
    );
    expect(asked).toEqual([['c', 'INACTIVE', 7, 'n']]);
  });
});
