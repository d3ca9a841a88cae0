// `iot-revoke brake`: how full the lanes' windows are, and how a person lets a lane go, or holds it again.

import type { BrakeTable, Versioned } from '../brake-store.ts';
import type { Failure } from '../call.ts';
import type { Environment } from '../config.ts';
import { lanes, type Lane } from '../lane.ts';
import type { Deployment } from '../request.ts';
import type { TableAnswer } from '../shared-ledger.ts';
import { countOf, longestLiftMs, type Window } from '../window.ts';
import { accountProblem, namedTable, noAccount, noRegion } from './table.ts';

/** What somebody wants of the brake. */
export type BrakeOrder =
  | { readonly kind: 'status' }
  /** Nothing is held, nor counted, for so long. */
  | { readonly kind: 'lift'; readonly lane: Lane; readonly minutes: number }
  /** The lane's ceiling counts again. */
  | { readonly kind: 'restore'; readonly lane: Lane };

/** A lift takes this long at most, minutes. */
export const mostMinutes: number = longestLiftMs / 60_000;

/** The ledger's table, opened for a person. No method rejects. */
export interface OpenBrake extends Disposable {
  /** Where the table is; undefined if nothing names a region. */
  readonly region: () => Promise<string | undefined>;
  readonly windows: (deployment: Deployment) => BrakeTable;
}

export interface BrakeCommandPorts {
  readonly environment: Environment;
  readonly openBrake: (table: string) => Promise<OpenBrake>;
  /** The account of the credentials; rejects as the SDK does. */
  readonly askAccountId: () => Promise<string>;
  /** The time of day, ms since the epoch. */
  readonly wallClock: () => number;
  /** Shows a line of the result. */
  readonly print: (line: string) => void;
  /** Shows a line about what went otherwise than asked. */
  readonly complain: (line: string) => void;
}

/** Others' changes that may come between; each worker makes some ten a second at most. */
const mostConflicts = 50;

/** Answers the exit code: 0 if it was done. Prints a JSON line for each lane that it is about. */
export async function brake(
  order: BrakeOrder,
  given: string | undefined,
  ports: BrakeCommandPorts,
): Promise<0 | 1> {
  const { environment, openBrake, askAccountId, complain } = ports;
  const { table, name, problem: tableProblem } = namedTable(given, environment);
  const problem = tableProblem ?? accountProblem(environment);
  using opened = problem === undefined ? await openBrake(table) : undefined;
  const region = await opened?.region();
  if (opened === undefined || region === undefined) {
    complain(`error: ${problem ?? noRegion}`);
    return 1;
  }
  let accountId = environment['AWS_ACCOUNT_ID'] || undefined;
  try {
    accountId ??= await askAccountId();
  } catch (error) {
    complain(`error: ${noAccount(error)}`);
    return 1;
  }
  const answer = await carryOut(order, opened.windows({ accountId, region }), ports);
  if (answer.kind === 'answered') return 0;
  complain(`error: ${name}: table ${table} in ${region}: ${problemOf(answer.failure)}`);
  return 1;
}

async function carryOut(
  order: BrakeOrder,
  windows: BrakeTable,
  ports: BrakeCommandPorts,
): Promise<TableAnswer<unknown>> {
  switch (order.kind) {
    case 'status':
      return show(windows, ports);
    case 'lift': {
      const untilMs = ports.wallClock() + order.minutes * 60_000;
      const lifted = await change(order.lane, windows, ports, (window) => ({
        ...window,
        liftedUntilMs: untilMs,
      }));
      if (lifted.kind === 'answered') {
        ports.complain(
          `the ${order.lane} lane is not held until ${isoTime(untilMs)}, and what goes meanwhile does not count; workers find out within seconds`,
        );
      }
      return lifted;
    }
    case 'restore': {
      const restored = await change(order.lane, windows, ports, ({ admitted }) => ({ admitted }));
      if (restored.kind === 'answered') {
        ports.complain(`the ceiling of the ${order.lane} lane counts again`);
      }
      return restored;
    }
  }
}

/** All lanes, or none: half of them would look like all. */
async function show(windows: BrakeTable, ports: BrakeCommandPorts): Promise<TableAnswer<unknown>> {
  const found: (readonly [Lane, Window])[] = [];
  for (const lane of lanes) {
    const answer = await windows.read(lane);
    if (answer.kind === 'failed') return answer;
    found.push([lane, answer.value.window]);
  }
  for (const [lane, window] of found) ports.print(lineOf(lane, window, ports.wallClock()));
  return { kind: 'answered', value: found };
}

/** Changes a lane's window while workers may do so, too. */
async function change(
  lane: Lane,
  windows: BrakeTable,
  { print, wallClock }: BrakeCommandPorts,
  changed: (window: Window) => Window,
): Promise<TableAnswer<unknown>> {
  for (let conflicts = 0; conflicts < mostConflicts; conflicts++) {
    const read = await windows.read(lane);
    if (read.kind === 'failed') return read;
    const newer: Versioned = { ...read.value, window: changed(read.value.window) };
    const told = await windows.replace(lane, newer);
    if (told.kind === 'failed') return told;
    if (told.value === 'replaced') {
      print(lineOf(lane, newer.window, wallClock()));
      return told;
    }
  }
  const message = `others changed it ${mostConflicts} times in between; try again`;
  return { kind: 'failed', failure: { kind: 'contested', name: 'Conflict', message } };
}

function problemOf({ kind, name, message }: Failure): string {
  const told = `${name}: ${message}`;
  if (kind === 'not-found') return `there is no such table (${told})`;
  return kind === 'unauthorized'
    ? `it may not be used (${told}); dynamodb:GetItem is needed, and dynamodb:PutItem to change anything`
    : `it could not be used (${told})`;
}

/** The names are those of the log where it has them. */
function lineOf(lane: Lane, window: Window, nowMs: number): string {
  const { admitted, liftedUntilMs = -Infinity } = window;
  const times = [...admitted.values()].toSorted((a, b) => a - b);
  const lastMs = times.at(-1);
  return JSON.stringify({
    lane,
    admittedInLastHour: countOf(window, nowMs),
    ...(lastMs !== undefined && { lastAdmittedAt: isoTime(lastMs) }),
    ...(liftedUntilMs > nowMs && { liftedUntil: isoTime(liftedUntilMs) }),
  });
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
