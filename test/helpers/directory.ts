// A directory that is worked by hand: each page is answered when the test says so.

import { setImmediate as turn } from 'node:timers/promises';
import type { Directory, Finding, Page } from '../../src/directory.ts';

export interface Asked {
  readonly api: keyof Directory;
  /** The thing, the certificate, or the audit's check. */
  readonly of: string;
  readonly nextToken: string | undefined;
  readonly signal: AbortSignal;
}

export interface FakeDirectory extends Directory {
  /** Every page that was asked for, in order. */
  readonly asked: readonly Asked[];
  /** Answers the oldest that is under way. */
  answer(page: Page<string> | Page<Finding>): Promise<void>;
}

export function createFakeDirectory(): FakeDirectory {
  const asked: Asked[] = [];
  const underWay: ((page: never) => void)[] = [];
  function ask<Item>(one: Asked): Promise<Page<Item>> {
    asked.push(one);
    return new Promise<Page<Item>>((resolve) => underWay.push(resolve));
  }
  return {
    asked,
    thingPrincipals: (of, nextToken, signal) =>
      ask<string>({ api: 'thingPrincipals', of, nextToken, signal }),
    principalThings: (of, nextToken, signal) =>
      ask<string>({ api: 'principalThings', of, nextToken, signal }),
    auditFindings: ({ taskId, checkName }, nextToken, signal) =>
      ask<Finding>({ api: 'auditFindings', of: `${taskId} ${checkName}`, nextToken, signal }),
    answer: async (page) => {
      const resolve = underWay.shift();
      if (resolve === undefined) throw new Error('no page is asked for');
      resolve(page as never);
      await turn();
    },
  };
}

export function pageOf<Item>(items: readonly Item[], nextToken?: string): Page<Item> {
  return { kind: 'page', items, ...(nextToken !== undefined && { nextToken }) };
}
