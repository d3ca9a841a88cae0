// What the bench and its servers, a process of their own, say to each other.

import type { Lane } from '../../src/lane.ts';

/** A bucket: calls per second, and calls at once. */
export interface Bucket {
  readonly rate: number;
  readonly burst: number;
}

export type Quota = Bucket | 'unlimited';

/** A message to send: this certificate, in this lane. */
export interface Order {
  readonly lane: Lane;
  readonly certificateId: string;
}

export type Command =
  /** Registers certificates; answers their ids. */
  | { readonly kind: 'enrol'; readonly count: number }
  /** Fills the queues; answers nothing. */
  | { readonly kind: 'send'; readonly orders: readonly Order[] }
  /** Empties them. */
  | { readonly kind: 'purge' }
  /** Watches contestants until the queues are empty, and answers `Measured`. */
  | ({ readonly kind: 'measure' } & Watch);

/** What happens while contestants work, counted from their first UpdateCertificate call. */
export interface Watch {
  readonly pids: readonly number[];
  /** The bucket at the first call, and what replaces it later. */
  readonly quotas: readonly { readonly fromMs: number; readonly quota: Quota }[];
  /** How long each UpdateCertificate takes, ms. */
  readonly latencyMs: number;
  /** Another client's calls on the same bucket, per second, evenly. */
  readonly othersPerSecond?: number;
  /** One of these goes into the incident lane each `everyMs`. */
  readonly urgent?: { readonly everyMs: number; readonly certificateIds: readonly string[] };
  /** Ends the measurement though messages are left, ms after the first call. */
  readonly untilMs?: number;
  /** Gives up, ms after the command. */
  readonly timeoutMs: number;
}

export interface Measured {
  /** Whether it gave up before the queues were empty. */
  readonly timedOut: boolean;
  /** UpdateCertificate calls of the contestants. */
  readonly calls: number;
  readonly throttled: number;
  /** Certificates that a call succeeded for. */
  readonly certificates: number;
  /** From the first call to the answer to the last that succeeded, ms. */
  readonly callingMs: number;
  /** When each successful call came, ms after the first call. */
  readonly succeededAtMs: readonly number[];
  readonly others: { readonly calls: number; readonly throttled: number };
  /** From sending each urgent message to its first successful call, ms; Infinity for none. */
  readonly urgentMs: readonly number[];
  /** HTTP requests of the contestants, by operation; polls that brought nothing are among them. */
  readonly requests: Readonly<Record<string, number>>;
  /** From the first receive to the last delete, ms. */
  readonly workingMs: number;
  /** CPU of the contestants while they worked, user and system, µs. */
  readonly cpuMicros: number;
  /** The most memory that they held, all together, bytes. */
  readonly peakRssBytes: number;
  /** CPU of the servers in the same time, µs. */
  readonly serverCpuMicros: number;
}

/** Told once the servers listen: the environment that points AWS clients at them. */
export interface Ready {
  readonly environment: Readonly<Record<string, string>>;
}
