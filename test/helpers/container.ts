// Run as a process: a Lambda container, with its parent as the Lambda service.

import { handler } from '../../src/entry/lambda.ts';
import type { SqsEvent } from '../../src/invocation.ts';

interface Invocation {
  readonly event: SqsEvent;
  readonly remainingMs: number;
}

process.on('message', ({ event, remainingMs }: Invocation) => {
  const endsAtMs = performance.now() + remainingMs;
  handler(event, { getRemainingTimeInMillis: () => endsAtMs - performance.now() }).then(
    (response) => process.send?.({ response }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
