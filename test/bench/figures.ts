// What the measurements say, a number each.

import { idealMs, type Result } from './scenario.ts';

export interface Figure {
  readonly name: string;
  readonly of: (result: Result) => number;
  readonly unit: '%' | 's' | 'ms' | 'calls' | '/s' | 'µs' | 'MB' | '';
}

export const utilisation: Figure = {
  name: 'utilisation',
  unit: '%',
  of: ({ scenario, measured }) => {
    const { untilMs } = scenario.watch;
    if (measured.timedOut) return NaN;
    if (untilMs === undefined) {
      return (100 * idealMs(scenario, measured.certificates)) / measured.callingMs;
    }
    // It did not finish, on purpose: what succeeded, of what the bucket gave.
    return (100 * idealMs(scenario, measured.calls - measured.throttled)) / untilMs;
  },
};

export const throttled: Figure = {
  name: 'our throttled',
  unit: '%',
  of: ({ measured }) => (100 * measured.throttled) / measured.calls,
};

export const othersThrottled: Figure = {
  name: "others' throttled",
  unit: '%',
  of: ({ measured: { others } }) => (100 * others.throttled) / others.calls,
};

export const calls: Figure = { name: 'calls', unit: 'calls', of: ({ measured }) => measured.calls };

export const seconds: Figure = {
  name: 'time',
  unit: 's',
  of: ({ measured }) => (measured.timedOut ? NaN : measured.workingMs / 1000),
};

/** What so many calls need at AWS's 10 a second, with a burst of 10. */
export const leastSeconds: Figure = {
  name: 'least time at 10/s, computed',
  unit: 's',
  of: ({ measured }) => Math.max(0, measured.calls - 10) / 10,
};

/** Successes per second from a minute after the first call on, as a share of the quota. */
export const lateShare: Figure = {
  name: 'of the quota after 60 s',
  unit: '%',
  of: ({ scenario, measured }) => {
    const quota = scenario.watch.quotas[0]?.quota;
    if (quota === undefined || quota === 'unlimited') return NaN;
    const late = measured.succeededAtMs.filter((atMs) => atMs >= 60_000);
    const ms = (late.at(-1) ?? 60_000) - 60_000;
    return (100 * (late.length - 1)) / ((ms / 1000) * quota.rate);
  },
};

const urgent = (name: string, part: number): Figure => ({
  name,
  unit: 'ms',
  of: ({ measured }) => quantile(measured.urgentMs, part),
});
export const urgentMedian: Figure = urgent('urgent, median', 0.5);
export const urgentP99: Figure = urgent('urgent, p99', 0.99);

export const perSecond: Figure = {
  name: 'messages/s',
  unit: '/s',
  of: ({ measured, messages }) =>
    measured.timedOut ? NaN : (1000 * messages) / measured.workingMs,
};

export const cpu: Figure = {
  name: 'CPU/message',
  unit: 'µs',
  of: ({ measured, messages }) => measured.cpuMicros / messages,
};

export const awsCalls: Figure = {
  name: 'AWS calls/message',
  unit: '',
  of: ({ measured, messages }) =>
    Object.values(measured.requests).reduce((sum, count) => sum + count, 0) / messages,
};

export const rss: Figure = {
  name: 'peak RSS',
  unit: 'MB',
  of: ({ measured }) => measured.peakRssBytes / 1e6,
};

export const serverCpu: Figure = {
  name: "servers' CPU/message",
  unit: 'µs',
  of: ({ measured, messages }) => measured.serverCpuMicros / messages,
};

/** Of sorted copies; the nearest rank, so that it is a value that was measured. */
function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle)
    ? ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
    : (sorted[Math.floor(middle)] ?? NaN);
}

/** A number as a table shows it: the median, and what it lay between. */
export function show(values: readonly number[], unit: Figure['unit']): string {
  if (values.length === 0) return '–';
  if (values.some(Number.isNaN)) return 'not finished';
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)].map(
    (value) => write(value, unit),
  );
  return low === high ? `${middle}` : `${middle} (${low}–${high})`;
}

function write(value: number, unit: Figure['unit']): string {
  if (!Number.isFinite(value)) return 'never';
  const digits = { '%': 1, s: 1, ms: 0, calls: 0, '/s': 0, µs: 0, MB: 0, '': 2 }[unit];
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
