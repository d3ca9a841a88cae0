// The Lambda function of every lane: `handler`, for SQS event source mappings with
// ReportBatchItemFailures.

import { handleInvocation, type SqsBatchResponse, type SqsEvent } from '../invocation.ts';
import { lanes } from '../lane.ts';
import { systemClock } from './clock.ts';
import { wire } from './wire.ts';

/** The longest that a container's start waits for the ledger's table, ms. */
const longestLookMs = 1000;

// Once per container: the throttle and the ledger outlive an invocation. A wrong environment fails
// the start of the container, with all its problems in the log.
const { config, log, ports, ledgerProblems, openBrake } = await wire(loseNoLine);

// For as long as the container lives; no invocation waits for a held lane.
const brake = openBrake(new AbortController().signal);

// A ledger that cannot be used is told, and done without. The look also opens the connection that the
// first invocation needs; but nothing may keep an incident waiting.
await Promise.race([tellOfLedger(), systemClock.sleep(longestLookMs)]);

export async function handler(
  event: SqsEvent,
  context: { readonly getRemainingTimeInMillis: () => number },
): Promise<SqsBatchResponse> {
  return handleInvocation({ ...ports, brake, laneOf }, event, context.getRemainingTimeInMillis());
}

async function tellOfLedger(): Promise<void> {
  for (const cause of await ledgerProblems()) {
    log.write('error', { event: 'ledger-away', cause }, 'working without the shared ledger');
  }
}

function laneOf(queue: string): (typeof lanes)[number] | undefined {
  return lanes.find((lane) => config.queueUrls[lane]?.endsWith(`/${queue}`));
}

/** What is revoked must be told: Lambda starts a container whose log works. */
function loseNoLine(error: Error): never {
  throw error;
}
