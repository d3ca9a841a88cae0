// Which certificates an alert means, and which things they serve: whole lists from AWS IoT's pages,
// each API within its own quota, transient failures tried again.

import { LRUCache } from 'lru-cache';
import { isTransient, type Failure } from './call.ts';
import { certificateAt, idPattern } from './certificate.ts';
import type { Clock, Random } from './clock.ts';
import type { Directory, Finding, Page } from './directory.ts';
import type { Held } from './held.ts';
import { moreUrgent, type Lane } from './lane.ts';
import { defaultMarginMs } from './ledger.ts';
import type { Message } from './message.ts';
import type { Feedback } from './pace.ts';
import { retry, type Attempt, type RetryPolicy } from './retry.ts';
import { createSlots, type Slots } from './slots.ts';
import type { Throttle } from './throttle.ts';

export type Found<T> =
  | { readonly kind: 'found'; readonly items: readonly T[] }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** Nothing was found out before the stop. */
  | { readonly kind: 'stopped' };

/** No method rejects. */
export interface Lookup {
  /** The ids of a thing's certificates, lower case; other principals are left out. */
  readonly certificatesOf: (thingName: string, by: Seeker) => Promise<Found<string>>;
  /** The names of the things that a certificate serves; none if there is no such certificate. */
  readonly thingsOf: (certificateId: string, by: Seeker) => Promise<Found<string>>;
  /** The ids of the certificates that a check of an audit task complains of, and nobody suppressed. */
  readonly certificatesOfAudit: (
    audit: { readonly taskId: string; readonly checkName: string },
    by: Seeker,
  ) => Promise<Found<string>>;
}

/** The message for whose sake something is looked up. */
export type Seeker = Pick<Message, 'lane' | 'sentAtMs'>;

export interface LookupPorts {
  readonly held: Pick<Held, 'newestMs'>;
  readonly directory: Directory;
  /** AWS counts the calls of each API by themselves. */
  readonly throttles: Readonly<Record<keyof Directory, Pick<Throttle, 'wake'>>>;
  readonly clock: Clock;
  readonly random: Random;
  /** From now on no call starts. */
  readonly stopping: AbortSignal;
  /** Cuts the calls that are still under way. */
  readonly abandon: AbortSignal;
}

interface Waiter {
  lane: Lane;
}

/** A lookup that has not started: whoever asks the same may still join it. */
interface Pending<T> {
  readonly waiter: Waiter;
  readonly found: Promise<Found<T>>;
}

/** A list that was read, and the newest SQS time that was held when it began to be, ms. */
interface Known<T> {
  readonly items: readonly T[];
  readonly watermarkMs: number;
}

/** Lists that are remembered; forgetting one costs a lookup. */
const mostKnown = 1000;

const retryPolicy: RetryPolicy = { attempts: 4, baseMs: 200, capMs: 2000 };

/** Throttled attempts are free, but not for ever. */
const mostThrottled = 25;

/** AWS promises an end of its pages; a list that is longer than this has none. */
const mostPages = 1000;

export function createLookup(ports: LookupPorts): Lookup {
  const { directory, throttles, held, clock, random, stopping, abandon } = ports;
  const slots = {
    thingPrincipals: createSlots<Waiter>(throttles.thingPrincipals, stopping),
    principalThings: createSlots<Waiter>(throttles.principalThings, stopping),
    auditFindings: createSlots<Waiter>(throttles.auditFindings, stopping),
  };

  const pending = new Map<string, Pending<never>>();

  const known = new LRUCache<string, Known<never>>({ max: mostKnown });

  /**
   * The whole list. It is shared with those who ask for the same before it starts, and with whoever was
   * sent before that by SQS's clock, as a call covers requests (ledger.ts): it is no older than they are.
   */
  async function all<T>(
    api: keyof Directory,
    key: string,
    { lane, sentAtMs }: Seeker,
    ask: (nextToken: string | undefined) => Promise<Page<T>>,
  ): Promise<Found<T>> {
    const name = `${api} ${key}`;
    const before = known.get(name) as Known<T> | undefined;
    if (before !== undefined && sentAtMs < before.watermarkMs - defaultMarginMs) {
      return { kind: 'found', items: before.items };
    }
    const open = pending.get(name) as Pending<T> | undefined;
    if (open !== undefined) {
      open.waiter.lane = moreUrgent(open.waiter.lane, lane);
      slots[api].promote(open.waiter);
      return open.found;
    }
    const waiter: Waiter = { lane };
    // Another may wait under this name by the time that this one turns a page.
    const started = (): void => {
      if (pending.get(name)?.waiter === waiter) pending.delete(name);
    };
    let watermarkMs: number | undefined;
    const found = pages(
      slots[api],
      waiter,
      () => {
        started();
        watermarkMs ??= held.newestMs();
      },
      ask,
    );
    pending.set(name, { waiter, found } as Pending<never>);
    const list = await found.finally(started);
    if (list.kind === 'found' && watermarkMs !== undefined) {
      known.set(name, { items: list.items, watermarkMs } as Known<never>);
    }
    return list;
  }

  async function pages<T>(
    waiting: Slots<Waiter>,
    waiter: Waiter,
    started: () => void,
    ask: (nextToken: string | undefined) => Promise<Page<T>>,
  ): Promise<Found<T>> {
    const items: T[] = [];
    let nextToken: string | undefined;
    for (let read = 0; read < mostPages; read++) {
      const page = await onePage(waiting, waiter, () => {
        started();
        return ask(nextToken);
      });
      if (page.kind !== 'page') return page;
      items.push(...page.items);
      if (page.nextToken === undefined) return { kind: 'found', items };
      if (page.nextToken === nextToken) return endless('one of its pages is followed by itself');
      nextToken = page.nextToken;
    }
    return endless(`its pages do not end (${mostPages} of them were read)`);
  }

  async function onePage<T>(
    waiting: Slots<Waiter>,
    waiter: Waiter,
    ask: () => Promise<Page<T>>,
  ): Promise<Page<T> | { readonly kind: 'stopped' }> {
    type Answer = Page<T> | { readonly kind: 'stopped' };
    let throttled = 0;
    async function attempt(): Promise<Attempt<Answer, Answer>> {
      const release = await waiting.take(waiter);
      if (release === undefined) return { kind: 'done', value: { kind: 'stopped' } };
      let feedback: Feedback = 'failed';
      try {
        const page = await ask();
        feedback = feedbackOf(page);
        if (page.kind === 'page' || !isTransient(page.failure.kind)) {
          return { kind: 'done', value: page };
        }
        const free = feedback === 'throttled' && ++throttled < mostThrottled;
        return { kind: 'again', why: page, free };
      } finally {
        release(feedback);
      }
    }
    const retried = await retry(attempt, retryPolicy, { clock, random, hurry: () => stopping });
    return retried.kind === 'done' ? retried.value : retried.why;
  }

  return {
    certificatesOf: async (thingName, by) => {
      const found = await all('thingPrincipals', thingName, by, (nextToken) =>
        directory.thingPrincipals(thingName, nextToken, abandon),
      );
      return distinct(found, (principal) => certificateAt(principal)?.certificateId);
    },
    thingsOf: async (certificateId, by) => {
      const found = await all('principalThings', certificateId, by, (nextToken) =>
        directory.principalThings(certificateId, nextToken, abandon),
      );
      // What does not exist serves nothing; the update itself will say that it is not there.
      if (found.kind === 'failed' && found.failure.kind === 'not-found') {
        return { kind: 'found', items: [] };
      }
      return distinct(found, (thing) => thing);
    },
    certificatesOfAudit: async (audit, by) => {
      const key = `${audit.taskId} ${audit.checkName}`;
      const found = await all('auditFindings', key, by, (nextToken) =>
        directory.auditFindings(audit, nextToken, abandon),
      );
      return distinct(found, wantedOf);
    },
  };
}

function endless(message: string): { readonly kind: 'failed'; readonly failure: Failure } {
  return { kind: 'failed', failure: { kind: 'unknown-exception', name: 'EndlessPages', message } };
}

function feedbackOf(page: Page<unknown>): Feedback {
  if (page.kind === 'page') return 'succeeded';
  return page.failure.kind === 'throttled' ? 'throttled' : 'failed';
}

function distinct<A, B>(found: Found<A>, of: (item: A) => B | undefined): Found<B> {
  if (found.kind !== 'found') return found;
  const items = found.items.map(of).filter((item) => item !== undefined);
  return { kind: 'found', items: [...new Set(items)] };
}

function wantedOf({ certificateId, isSuppressed }: Finding): string | undefined {
  if (isSuppressed || certificateId === undefined) return undefined;
  return idPattern.test(certificateId) ? certificateId.toLowerCase() : undefined;
}
