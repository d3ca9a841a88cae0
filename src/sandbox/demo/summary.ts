// The end of a demo, on one screen of 80 columns: the figures and the checks.

import type { Check } from './checks.ts';
import type { Figures, Flood, Incident } from './figures.ts';
import { cut, seconds, type Paint } from './text.ts';

const labelWidth = 12;
const numberWidth = 7;

/** The lines of the summary. */
export function summaryOf(figures: Figures, checks: readonly Check[], paint: Paint): string[] {
  return [
    '',
    ...figureLines(figures, paint),
    paint('bold', 'Checked against the control plane and the queues'),
    ...checkLines(checks, paint),
  ];
}

function figureLines(figures: Figures, paint: Paint): string[] {
  const { messages, quotaPerSecond, storm, throttled, failed, deadLetters, incident, flood } =
    figures;
  const total = messages.incident + messages.alert + messages.rotation;
  const rejected = sum(deadLetters.map(({ count }) => count));
  const row: Row = (label, figure, text) =>
    `${paint('bold', label.padEnd(labelWidth) + String(figure).padStart(numberWidth))}${figure === 0 ? '' : `  ${text}`}`;
  return [
    ...(incident === undefined ? [] : incidentLines(incident, quotaPerSecond, row)),
    row(
      'Requests',
      total,
      `${messages.incident} incident, ${messages.alert} alert, ${messages.rotation} rotation`,
    ),
    row(
      'Calls',
      figures.calls,
      `UpdateCertificate; ${figures.applied} did what was asked (quota ${quotaPerSecond}/s)`,
    ),
    row(
      'Merged',
      figures.merged,
      `calls saved: ${storm.alerts} alerts about ${storm.certificates} certificates took ${storm.calls}`,
    ),
    ...(flood === undefined ? [] : floodLines(flood, row)),
    row('Throttled', throttled.calls, throttledText(figures)),
    row('Retried', sum([...failed.values()]), failureText(failed)),
    row('Deferred', figures.deferred, 'back to the queue when attempts kept failing, done later'),
    row('Dead letters', rejected, 'unusable, so kept as they came, each with its reason:'),
    ...deadLetters.map(({ failureKind, count, reason }) =>
      cut(`  ${String(count).padStart(2)} × ${failureKind.padEnd(19)} ${reason}`, 80),
    ),
  ];
}

type Row = (label: string, figure: number | string, text: string) => string;

function incidentLines(
  { certificates, tookMs, waiting, slippedIn, computedInOrderMs }: Incident,
  quotaPerSecond: number,
  row: Row,
): string[] {
  return [
    row(
      'Incident',
      seconds(tookMs),
      `from the first message to the last of ${certificates} certificates dead,`,
    ),
    more(`while ${waiting} rotation requests waited (${slippedIn} of them slipped in)`),
    more(
      `${seconds(computedInOrderMs)} if served in order: ${waiting + certificates} calls at ${quotaPerSecond}/s, computed`,
    ),
  ];
}

function floodLines({ alarms, held, switchedOff, stolen }: Flood, row: Row): string[] {
  const { certificates, tookMs } = stolen;
  return [
    row(
      'Held',
      held,
      `of ${alarms} false alarms, at ${switchedOff} certificates an hour; done once`,
    ),
    more(`the brake was lifted. Meanwhile ${certificates} more stolen keys: ${seconds(tookMs)}`),
  ];
}

function throttledText({ throttled }: Figures): string {
  const { atFullQuota, leastGranted } = throttled;
  const when = atFullQuota === 0 ? 'all' : `${throttled.calls - atFullQuota}`;
  return `refused, ${when} while AWS granted ${leastGranted}/s; made again, slower`;
}

function more(text: string): string {
  return `${' '.repeat(labelWidth + numberWidth + 2)}${text}`;
}

/** What the control plane answered, in words. */
const failureWords: Readonly<Record<string, string>> = {
  InternalFailureException: '500',
  ServiceUnavailableException: '503',
  reset: 'lost connection',
  hang: 'no answer',
};

function failureText(failed: Figures['failed']): string {
  const parts = [...failed].map(
    ([answer, count]) => `${count} × ${failureWords[answer] ?? answer}`,
  );
  return `failed attempts: ${parts.join(', ')}`;
}

const mostProblems = 3;

function checkLines(checks: readonly Check[], paint: Paint): string[] {
  const broken = checks.filter(({ problems }) => problems.length > 0).length;
  return [
    ...checks.flatMap(({ claim, problems }) => [
      `${problems.length === 0 ? paint('green', '✓') : paint('red', '✗')} ${claim}`,
      ...problems.slice(0, mostProblems).map((problem) => paint('red', `    ${problem}`)),
      ...(problems.length > mostProblems
        ? [paint('red', `    and ${problems.length - mostProblems} more`)]
        : []),
    ]),
    broken === 0
      ? paint('green', 'All is as asked. Your turn: npm run sandbox')
      : paint('red', `${broken} of ${checks.length} checks failed.`),
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
