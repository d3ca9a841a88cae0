// The connection to Redis or Valkey: it comes back by itself, answers in time or not at all, and says
// in one sentence why not.

import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import { lanes } from '../lane.ts';
import { retryMs } from './presence.ts';
import { parametersOf, script, type Answer, type Question } from './script.ts';

export interface Connection {
  /** Asks the script; rejects with a sentence that shows no password. */
  readonly ask: (question: Question, withinMs: number) => Promise<Answer>;
  readonly close: () => void;
}

/**
 * Patience runs out in so many steps, and between them the answer can come: if it is this process
 * that stood still, it is not taken for Redis.
 */
const steps = 10;

/** Of what a stranger says, the beginning, in characters. */
const longestSentence = 200;

interface Scripted {
  slot(...parameters: readonly (string | number)[]): Promise<Answer>;
}

/**
 * @param url redis:// or rediss://, with credentials and a database if need be
 * @throws for what is no URL
 */
export function connect(url: string, keys: readonly string[], clock: Clock): Connection {
  const redis = new Redis(url, {
    commandTimeout: 2000, // of what ioredis itself asks upon connecting
    connectTimeout: 2000,
    disableClientInfo: true,
    disconnectTimeout: 100, // a server that hangs does not say goodbye
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => retryMs,
    scripts: { slot: { lua: script, numberOfKeys: 2 + lanes.length } },
  }) as Redis & Scripted;
  let lost: Error | undefined;
  redis.on('error', (error: Error) => (lost = error));
  redis.on('connect', () => (lost = undefined));
  const tried = new Promise<void>((resolve) => {
    redis.once('ready', () => resolve()).once('error', () => resolve());
  });

  async function answer(question: Question): Promise<Answer> {
    await tried;
    // Where ioredis cannot select the database, it would go on in another.
    if (redis.status !== 'ready' || lost !== undefined) {
      throw lost ?? new Error('the connection is lost');
    }
    return redis.slot(...keys, ...parametersOf(question));
  }

  return {
    ask: async (question, withinMs) => {
      const answered = new AbortController();
      try {
        return await Promise.race([answer(question), impatience(withinMs, clock, answered.signal)]);
      } catch (error) {
        // Whatever it is, a new connection may help: it hangs, or this is a replica since a failover.
        if (redis.status === 'ready') redis.disconnect(true);
        throw new Error(sentenceOf(error, lost, url), { cause: error });
      } finally {
        answered.abort();
      }
    },
    close: () => redis.disconnect(),
  };
}

async function impatience(withinMs: number, clock: Clock, signal: AbortSignal): Promise<never> {
  for (let step = 0; step < steps && !signal.aborted; step++) {
    await clock.sleep(withinMs / steps, signal);
  }
  throw new Error(`no answer within ${withinMs} ms`);
}

/** So ioredis says that a connection broke, or was not there; why is in an error before. */
const wordless = /^(Stream isn't writeable|Connection is closed|Reached the max retries)/;

function sentenceOf(error: unknown, lost: Error | undefined, url: string): string {
  const { message = '', code } = error as { readonly message?: string; readonly code?: string };
  if (wordless.test(message)) {
    return lost === undefined ? 'the connection is lost' : sentenceOf(lost, undefined, url);
  }
  const said = message === '' ? (code ?? String(error)) : message;
  return secretsOf(url)
    .reduce((text, secret) => text.replaceAll(secret, '***'), said)
    .replace('Command timed out', 'no answer')
    .replaceAll(/\s+/g, ' ')
    .slice(0, longestSentence);
}

/** A server that does not know a command repeats it, with whatever came with it: AUTH brings these. */
function secretsOf(url: string): readonly string[] {
  const { username, password } = new URL(url);
  return [password, username].flatMap((secret) =>
    secret === '' || secret === 'default' ? [] : [decodeURIComponent(secret), secret],
  );
}
