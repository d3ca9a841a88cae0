// A sandbox for a person: on fixed ports, with certificates to revoke, announced on stdout, running
// until told to stop.

import { announcementOf } from './announcement.ts';
import { explainPort, readPorts } from './port.ts';
import { startSandbox } from './sandbox.ts';

/** What a session is given of the process. */
export interface Session {
  /** Looked at for `SANDBOX_SQS_PORT` and the others of port.ts. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends the session. */
  readonly signal: AbortSignal;
  /** Shows lines that a shell can evaluate. */
  readonly print: (text: string) => void;
  /** Shows one line that says what went wrong and what to do. */
  readonly complain: (line: string) => void;
}

/** A thing for whoever tries an alert, and how many certificates it has. */
const thingName = 'pump-7';
const pumpSize = 3;

/** Runs a sandbox until the signal aborts. Answers the exit code: 1 when a port cannot be had. */
export async function runSession(session: Session): Promise<0 | 1> {
  const { environment, signal, print, complain } = session;
  const ports = readPorts(environment);
  if (ports.kind === 'invalid') {
    complain(ports.problem);
    return 1;
  }
  try {
    await using sandbox = await startSandbox({
      queuePort: ports.sqs,
      iotPort: ports.iot,
      ledgerPort: ports.dynamodb,
    });
    const certificateIds = await sandbox.iot.seed({ count: 40 });
    // All things' certificates are among those that the announcement speaks of.
    sandbox.iot.enterThing({ thingName, certificateIds: certificateIds.slice(-pumpSize) });
    print(announcementOf(sandbox, certificateIds, thingName));
    await aborted(signal);
    return 0;
  } catch (error) {
    const problem = explainPort(error, ports);
    if (problem === undefined) throw error;
    complain(problem);
    return 1;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}
