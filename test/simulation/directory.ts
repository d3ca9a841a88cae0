// A model of what AWS IoT tells about things and audits: in pages whose tokens are keys, so that what
// stays attached while a list is read is on it; slow, throttled, failing or silent, and changing under way.

import type { FailureKind } from '../../src/call.ts';
import type { Random } from '../../src/clock.ts';
import type { Directory, Finding, Page } from '../../src/directory.ts';
import { accountId } from './lambda.ts';
import type { Record } from './history.ts';
import type { Process } from './process.ts';
import { cutBy } from './sqs.ts';
import type { Time } from './time.ts';
import type { Troubles } from './trouble.ts';

export interface DirectoryModel {
  /** The directory, as a process reaches it. */
  readonly reach: (process: Process) => Directory;
  /** Opens a thing, or an audit task that has looked at these certificates. */
  readonly open: (group: string, findings?: readonly string[]) => void;
  /** Attaches a certificate to a thing, or complains of it in an audit. */
  readonly join: (group: string, certificateId: string) => void;
  /** Detaches it, or suppresses the finding. */
  readonly leave: (group: string, certificateId: string) => void;
}

interface DirectoryPorts {
  readonly time: Time;
  readonly chance: Random;
  readonly record: Record;
  readonly troubles: Troubles;
  readonly statuses: ReadonlyMap<string, string>;
  readonly pageSize: number;
}

/** When src/aws/directory.ts gives up, ms. */
const timeLimitMs = 5000;

export function createDirectoryModel(ports: DirectoryPorts): DirectoryModel {
  const { time, chance, record, troubles, statuses, pageSize } = ports;
  const groups = new Map<string, Set<string>>();
  const findings = new Map<string, readonly string[]>();

  const certificatesIn = (group: string): readonly string[] => [...(groups.get(group) ?? [])];

  function thingsOf(certificateId: string): readonly string[] {
    const all = [...groups].filter(([group]) => !findings.has(group));
    return all.flatMap(([group, members]) => (members.has(certificateId) ? [group] : []));
  }

  /** The items behind the token, in the order of their keys. */
  function pageOf(keys: readonly string[], nextToken: string | undefined): Page<string> {
    const left = [...keys].sort().filter((key) => nextToken === undefined || key > nextToken);
    const items = left.slice(0, pageSize);
    const last = items.at(-1);
    return { kind: 'page', items, ...(left.length > pageSize && last !== undefined && { nextToken: last }) }; // prettier-ignore
  }

  function principals(thing: string, nextToken: string | undefined): Page<string> {
    if (!groups.has(thing)) return failed('not-found');
    const other = [`arn:aws:iam::${accountId}:user/admin`, 'eu-central-1:cognito'];
    return pageOf([...certificatesIn(thing).map(arnOf), ...other], nextToken);
  }

  function found(task: string, nextToken: string | undefined): Page<Finding> {
    const all = findings.get(task);
    if (all === undefined) return failed('not-found');
    const page = pageOf(['a CA', ...all], nextToken);
    if (page.kind === 'failed') return page;
    const members = groups.get(task);
    const items = page.items.map((key): Finding =>
      key === 'a CA'
        ? { isSuppressed: false }
        : { certificateId: key, isSuppressed: members?.has(key) !== true },
    );
    return { ...page, items };
  }

  function reach(process: Process): Directory {
    async function answer<Item>(list: () => Page<Item>): Promise<Page<Item>> {
      if (troubles.strikes('directory hangs')) return afterTimeLimit();
      await time.sleep(troubles.strikes('directory slow') ? chance() * 2400 : 5 + chance() * 60);
      if (troubles.strikes('directory throttles')) return failed('throttled');
      if (troubles.strikes('directory unauthorized')) return failed('unauthorized');
      if (troubles.strikes('directory unavailable')) return failed('unavailable');
      const page = list();
      await time.sleep(5 + chance() * 30);
      return page;
    }
    async function afterTimeLimit(): Promise<Page<never>> {
      await time.sleep(timeLimitMs);
      return failed('unknown-result');
    }
    function ask<Item>(signal: AbortSignal, list: () => Page<Item>): Promise<Page<Item>> {
      return process.ask(
        'look-up',
        async () => (await cutBy(signal, answer(list))) ?? failed('unknown-result'),
      );
    }
    return {
      thingPrincipals: (thing, nextToken, signal) =>
        ask(signal, () => principals(thing, nextToken)),
      principalThings: (certificateId, nextToken, signal) =>
        ask(signal, () =>
          statuses.has(certificateId)
            ? pageOf(thingsOf(certificateId), nextToken)
            : failed('not-found'),
        ),
      auditFindings: ({ taskId }, nextToken, signal) => ask(signal, () => found(taskId, nextToken)),
    };
  }

  function change(group: string, certificateId: string, isIn: boolean): void {
    const members = groups.get(group);
    if (members === undefined || members.has(certificateId) === isIn) return;
    if (isIn) members.add(certificateId);
    else members.delete(certificateId);
    record({ kind: 'member', group, certificateId, isIn });
  }

  return {
    reach,
    open: (group, looked) => {
      groups.set(group, new Set());
      if (looked !== undefined) findings.set(group, looked);
    },
    join: (group, certificateId) => change(group, certificateId, true),
    leave: (group, certificateId) => change(group, certificateId, false),
  };
}

function arnOf(certificateId: string): string {
  return `arn:aws:iot:eu-central-1:${accountId}:cert/${certificateId}`;
}

function failed(kind: FailureKind): Page<never> {
  return { kind: 'failed', failure: { kind, name: kind, message: 'no' } };
}
