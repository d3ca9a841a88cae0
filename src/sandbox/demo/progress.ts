// How far the demo is: a few lines for a terminal, one for a log file.

import { lanes, type Lane } from '../../lane.ts';
import { grantedAt, unsettled, updatesIn, type Evidence } from './evidence.ts';
import type { Paint } from './text.ts';

export interface Progress {
  readonly elapsedMs: number;
  readonly lanes: Readonly<Record<Lane, { readonly settled: number; readonly sent: number }>>;
  /** UpdateCertificate calls in the last second. */
  readonly callsNow: number;
  /** What the control plane grants at present, calls per second. */
  readonly granted: number;
  readonly throttled: number;
  readonly merged: number;
}

export function progressOf(
  { sent, events, calls, grants }: Evidence,
  { nowMs, startMs }: { readonly nowMs: number; readonly startMs: number },
): Progress {
  const updates = updatesIn(calls);
  const open = unsettled({ sent, events });
  const laneOf = (lane: Lane): Progress['lanes'][Lane] => {
    const all = sent.filter(({ letter }) => letter.lane === lane).length;
    const waiting = open.filter(({ letter }) => letter.lane === lane).length;
    return { settled: all - waiting, sent: all };
  };
  return {
    elapsedMs: nowMs - startMs,
    lanes: Object.fromEntries(lanes.map((lane) => [lane, laneOf(lane)])) as Progress['lanes'],
    callsNow: updates.filter(({ receivedAtMs }) => receivedAtMs > nowMs - 1000).length,
    granted: grantedAt(grants, nowMs),
    throttled: updates.filter(({ answer }) => answer === 'ThrottlingException').length,
    merged: events.filter(({ outcome }) => outcome === 'covered').length,
  };
}

const barWidth = 50;

/** The live lines, the most urgent lane first. */
export function liveLines(progress: Progress, paint: Paint): string[] {
  const { callsNow, granted, throttled, merged } = progress;
  return [
    ...lanes.map((lane) => {
      const { settled, sent } = progress.lanes[lane];
      const filled = sent === 0 ? 0 : Math.floor((settled / sent) * barWidth);
      const bar = paint('cyan', '█'.repeat(filled)) + paint('dim', '░'.repeat(barWidth - filled));
      return `  ${lane.padEnd(9)}${bar}  ${`${settled} of ${sent}`.padStart(10)}`;
    }),
    `  ${secondsOf(progress).padEnd(9)}${callsNow} calls/s, AWS grants ${granted}   ${throttled} throttled   ${merged} merged`,
  ];
}

/** The same on one line. */
export function plainLine(progress: Progress): string {
  const counts = lanes.map((lane) => {
    const { settled, sent } = progress.lanes[lane];
    return `${lane} ${settled}/${sent}`;
  });
  const { callsNow, granted } = progress;
  return `${secondsOf(progress).padStart(5)}  ${counts.join('  ')}  ${callsNow} calls/s of ${granted}`;
}

function secondsOf({ elapsedMs }: Progress): string {
  return `${Math.floor(elapsedMs / 1000)} s`;
}
