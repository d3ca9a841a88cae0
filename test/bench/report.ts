// The tables: for the terminal, and for RESULTS.md.

import type { ColdStart } from './cold-start.ts';
import type { Contestant } from './contestant.ts';
import {
  awsCalls,
  calls,
  cpu,
  lateShare,
  leastSeconds,
  median,
  othersThrottled,
  perSecond,
  rss,
  seconds,
  serverCpu,
  show,
  throttled,
  urgentMedian,
  urgentP99,
  utilisation,
  type Figure,
} from './figures.ts';
import type { Result, Scenario } from './scenario.ts';
import type { VirtualRow } from './virtual.ts';

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const quotaFigures = [utilisation, throttled, calls];
const overheadFigures = [perSecond, cpu, awsCalls, rss, serverCpu];

/** What is told of each scenario. */
const figuresOf: Readonly<Record<string, readonly Figure[]>> = {
  others: [...quotaFigures, othersThrottled],
  duplicates: [calls, seconds, throttled],
  storm: [calls, leastSeconds],
  urgent: [urgentMedian, urgentP99, utilisation, throttled],
  'one-of-four': [lateShare, throttled],
  raised: [lateShare, throttled],
  thousand: [utilisation, throttled, cpu, serverCpu],
  overhead: overheadFigures,
  'overhead-200k': overheadFigures,
};

export function tables(results: readonly Result[]): readonly Table[] {
  return [...new Set(results.map(({ scenario }) => scenario))].map((scenario) => {
    const figures = figuresOf[scenario.id] ?? quotaFigures;
    const mine = results.filter((result) => result.scenario === scenario);
    const runs = mine.length / contestantsOf(mine).length;
    return {
      title: `${scenario.title} (${runs === 1 ? 'one run' : `${runs} runs`})`,
      head: ['', ...figures.map(headOf)],
      rows: contestantsOf(mine).map((contestant) => {
        const its = mine.filter((one) => one.contestant === contestant);
        return [contestant.name].concat(figures.map(({ of, unit }) => show(its.map(of), unit)));
      }),
    };
  });
}

function headOf({ name, unit }: Figure): string {
  return unit === '' || unit === 'calls' || unit === '/s' ? name : `${name}, ${unit}`;
}

function contestantsOf(results: readonly Result[]): readonly Contestant[] {
  return [...new Set(results.map(({ contestant }) => contestant))];
}

/** The medians of one figure in one scenario, by contestant. */
export function mediansOf(
  results: readonly Result[],
  scenarioId: Scenario['id'],
  { of }: Figure,
): readonly { readonly contestant: Contestant; readonly value: number }[] {
  const mine = results.filter(({ scenario }) => scenario.id === scenarioId);
  return contestantsOf(mine).map((contestant) => ({
    contestant,
    value: median(mine.filter((one) => one.contestant === contestant).map(of)),
  }));
}

export function virtualTable(rows: readonly VirtualRow[], seeds: number): Table {
  const both = (pair: readonly [number, number] | undefined): string =>
    pair === undefined ? '–' : `${pair[0].toFixed(1)} (${pair[1].toFixed(1)})`;
  return {
    title: `virtual time, ${seeds} seeds: median (worst), %`,
    head: ['', 'goal', 'utilisation', 'our throttled', "others' throttled"],
    rows: rows.map((row) => [
      row.title,
      row.goal,
      both(row.utilisation),
      both(row.throttled),
      both(row.others),
    ]),
  };
}

export function coldStartTable(starts: readonly ColdStart[]): Table {
  return {
    title: `Lambda bundle and cold import (${starts[0]?.importMs.length ?? 0} processes each)`,
    head: ['', 'size, KiB', 'import, ms'],
    rows: starts.map(({ name, bytes, importMs }) => [
      name,
      (bytes / 1024).toFixed(0),
      show(importMs, 'ms'),
    ]),
  };
}

/** Ours beside the best peer, in a sentence; nothing where one of them is missing. */
export function verdicts(results: readonly Result[]): readonly string[] {
  const compare = (
    id: string,
    figure: Figure,
    what: string,
    isMore: boolean,
  ): readonly string[] => {
    const all = mediansOf(results, id, figure).filter(({ value }) => Number.isFinite(value));
    const mine = all.find(({ contestant }) => contestant.isOurs);
    const [best] = all
      .filter(({ contestant }) => !contestant.isOurs && contestant.file !== './peers/bare.ts')
      .toSorted((a, b) => (isMore ? b.value - a.value : a.value - b.value));
    if (mine === undefined || best === undefined) return [];
    // Whoever hammers reaches any utilisation; what it costs belongs beside it.
    const aside = (contestant: Contestant): string => {
      const share = mediansOf(results, id, throttled).find((one) => one.contestant === contestant);
      return figure === utilisation ? `, ${show([share?.value ?? NaN], '%')} % throttled` : '';
    };
    const shown = [mine.value, best.value].map((value) => show([value], figure.unit));
    const ratio = mine.value / best.value;
    const isTie = shown[0] === shown[1] || Math.abs(ratio - 1) < 0.01;
    const word = isTie ? 'a tie with' : ratio > 1 === isMore ? 'better than' : '**worse** than';
    const times = best.value === 0 ? '' : `, × ${ratio.toFixed(2)}`;
    return [
      `${what}: ${shown[0]} ${figure.unit}, ${word} the best peer's ${shown[1]} (${best.contestant.name}${aside(best.contestant)})${times}`,
    ];
  };
  return [
    ...compare('known', utilisation, 'Utilisation, quota known', true),
    ...compare('known', throttled, 'Throttled, quota known', false),
    ...compare('seven', utilisation, 'Utilisation, quota really 7', true),
    ...compare('seven', throttled, 'Throttled, quota really 7', false),
    ...compare('others', utilisation, 'Utilisation beside another client', true),
    ...compare('others', throttled, 'Throttled beside another client', false),
    ...compare('others', othersThrottled, "The other client's throttled", false),
    ...compare('duplicates', calls, 'Calls for the duplicates', false),
    ...compare('duplicates', seconds, 'Time for the duplicates', false),
    ...compare('storm', calls, 'Calls in the storm', false),
    ...compare('urgent', urgentP99, 'Urgent, p99', false),
    ...compare('overhead', perSecond, 'Messages/s, quota off', true),
    ...compare('overhead', cpu, 'CPU/message, quota off', false),
    ...compare('overhead', awsCalls, 'AWS calls/message, quota off', false),
    ...compare('overhead', rss, 'Peak RSS, quota off', false),
  ];
}

/** With aligned columns. */
export function plain({ title, head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  '),
  );
  return [`\n${title}`, ...lines.map((line) => `  ${line}`)].join('\n');
}

export function markdown({ title, head, rows }: Table): string {
  const bold = (row: readonly string[]): readonly string[] =>
    row[0] === 'this worker' ? row.map((cell) => `**${cell}**`) : row;
  const { length } = rows[0] ?? [];
  return [
    `### ${title.charAt(0).toUpperCase()}${title.slice(1)}\n`,
    `| ${head.join(' | ')} |`,
    `| --- |${' ---: |'.repeat((length ?? 1) - 1)}`,
    ...rows.map((row) => `| ${bold(row).join(' | ')} |`),
  ].join('\n');
}
