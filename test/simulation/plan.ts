// What is going to happen to a simulated world. A seed determines a plan, and a plan with its seed
// determines the run; a plan with fewer steps is a plan too, so failures shrink.

import type { Random } from '../../src/clock.ts';
import { lanes, type Lane } from '../../src/lane.ts';
import type { Status } from '../../src/status.ts';
import { alertForms, alertRulesOf, type AlertRules, type AlertStep } from './alerts.ts';
import { chanceOf, oneOf, whole } from './chance.ts';
import type { ThirdParty } from './iot.ts';
import type { MappingRules } from './lambda.ts';
import { alertTroubles, troubles, type Trouble } from './trouble.ts';

export interface Plan {
  readonly seed: number;
  readonly rules: Rules;
  readonly steps: readonly Step[];
}

export interface Rules {
  readonly workers: readonly WorkerRules[];
  readonly mappings: readonly MappingRules[];
  /** The account's UpdateCertificate calls per second. */
  readonly quota: number;
  /** Whether IoT answers a status that is there already with a state conflict. */
  readonly strict: boolean;
  /** How far the clock of an SQS host is off at most, ms. */
  readonly hostSkewMs: number;
  /** So many certificates exist; beside them, one does not, and one is in a transfer. */
  readonly certificates: number;
  /** Certificates that a process's ledger remembers. */
  readonly ledgerCapacity: number;
  /** Whether processes share what they know in a table. */
  readonly sharesLedger: boolean;
  /** Absent in worlds without alerts. */
  readonly alerts?: AlertRules;
}

export interface WorkerRules {
  readonly lanes: readonly Lane[];
  readonly throttle: 'even' | 'pace' | 'real';
  /** Slots per second. */
  readonly rate: number;
  /** How far its clock is ahead of the true time, ms. */
  readonly aheadMs: number;
  readonly stopSeconds: number;
}

export const forms = [
  'id',
  'upper case',
  'ARN',
  'SNS',
  // The rest asks for nothing that we may do.
  'nonsense',
  'activation',
  'foreign account',
  'foreign region',
] as const;

export type Form = (typeof forms)[number];

/** What happens, `afterMs` after the step before. */
export type Step = { readonly afterMs: number } & (
  | {
      readonly does: 'send';
      readonly lane: Lane;
      readonly certificate: number;
      readonly status: Status;
      readonly form: Form;
    }
  /** Requests for so many certificates at once. */
  | {
      readonly does: 'flood';
      readonly lane: Lane;
      readonly certificate: number;
      readonly count: number;
      readonly status: Status;
    }
  | { readonly does: 'third party'; readonly certificate: number; readonly what: ThirdParty }
  | {
      readonly does: 'trouble';
      readonly trouble: Trouble;
      readonly strength: number;
      readonly forMs: number;
    }
  | {
      readonly does: 'crash';
      readonly process: number;
      readonly passages: number;
      readonly awayMs: number;
    }
  | { readonly does: 'stop'; readonly process: number; readonly awayMs: number }
  | { readonly does: 'freeze'; readonly process: number; readonly forMs: number }
  | { readonly does: 'jump'; readonly process: number; readonly byMs: number }
  | { readonly does: 'redrive' }
  | ({ readonly does: 'alert' } & AlertStep)
  /** A certificate is attached to a thing, or detached. */
  | {
      readonly does: 'attach';
      readonly thing: number;
      readonly certificate: number;
      readonly isIn: boolean;
    }
  /** The last audit's complaint of a certificate is suppressed. */
  | { readonly does: 'suppress'; readonly certificate: number }
  /** A person lets a lane go that the brake holds. */
  | { readonly does: 'lift'; readonly lane: Lane; readonly forMs: number }
);

/** The plan that a seed determines. Each world has its own few troubles, so that they meet. */
export function planOf(seed: number): Plan {
  const chance = chanceOf(seed, 'plan');
  const rules = rulesOf(chance);
  const steps = stepsOf(chance, rules);
  const forAlerts = chanceOf(seed, 'alerts');
  if (forAlerts() < 0.5) return { seed, rules, steps };
  const alerts = alertRulesOf(forAlerts, rules.certificates, processesIn(rules));
  // Lists are read from their start in each invocation.
  const mappings = rules.mappings.map((mapping) => ({ ...mapping, timeoutMs: 30_000 }));
  return {
    seed,
    rules: { ...rules, mappings, alerts },
    steps: withAlerts(steps, forAlerts, rules, alerts),
  };
}

/** So many processes there are at most, at the same time. */
export function processesIn({ workers, mappings }: Rules): number {
  return mappings.reduce((sum, { containers }) => sum + containers, workers.length);
}

function rulesOf(chance: Random): Rules {
  const rate = oneOf(chance, [0.5, 2, 3, 5, 8, 12]);
  const hasLambda = chance() < 0.3;
  const isReal = !hasLambda && chance() < 0.06;
  const count = hasLambda ? whole(chance, 0, 1) : oneOf(chance, [1, 1, 1, 2, 2, 3]);
  const worker = (at: number): WorkerRules => ({
    lanes: at === 0 || chance() < 0.7 ? lanes : lanes.filter(() => chance() < 0.6),
    throttle: isReal ? 'real' : oneOf(chance, ['even', 'pace']),
    rate,
    aheadMs: oneOf(chance, [0, 0, -86_400_000, 86_400_000, 120_000]),
    stopSeconds: oneOf(chance, [1, 6, 20]),
  });
  const mapping = (lane: Lane): MappingRules => ({
    lane,
    containers: whole(chance, 1, 2),
    batchSize: oneOf(chance, [1, 10, 10, 30]),
    timeoutMs: oneOf(chance, [8000, 12_000, 30_000]),
    visibilityMs: oneOf(chance, [15_000, 48_000, 90_000]),
  });
  const served = lanes.filter(() => count === 0 || chance() < 0.5);
  return {
    workers: Array.from({ length: count }, (_, at) => worker(at)),
    mappings: hasLambda ? served.map(mapping) : [],
    quota: chance() < 0.7 ? rate * 3 : whole(chance, 1, rate),
    strict: chance() < 0.5,
    hostSkewMs: oneOf(chance, [0, 499]),
    certificates: oneOf(chance, [1, 2, 4, 4, 40]),
    ledgerCapacity: oneOf(chance, [1, 100]),
    sharesLedger: chance() < 0.4,
  };
}

/** Troubles that must meet for their worst. */
const themes: readonly [readonly Trouble[], ...(readonly Trouble[])[]] = [
  ['iot unauthorized', 'iot slow', 'hide slow', 'hide answer lost'],
  ['letter fails', 'letter answer lost', 'hide slow', 'hide fails'],
  ['iot hangs', 'iot answer lost', 'hide answer lost', 'duplicates'],
  ['table slow', 'table hangs', 'table answer lost', 'iot throttles'],
];

/** What happens in worlds without alerts. */
type Plain = Exclude<Step['does'], 'alert' | 'attach' | 'suppress' | 'lift'>;

function stepsOf(chance: Random, { certificates, mappings, workers }: Rules): readonly Step[] {
  const troubled = oneOf(chance, [0.05, 0.15, 0.4]);
  const mood = {
    troubles: chance() < 0.25 ? oneOf(chance, themes) : troubles.filter(() => chance() < troubled),
    crashes: chance() < 0.4 ? 1 : 0,
    stops: chance() < 0.4 ? 1 : 0,
    freezes: chance() < 0.25 && workers.every(({ throttle }) => throttle !== 'real') ? 1 : 0,
    jumps: chance() < 0.2 ? 2 : 0,
    floods: certificates > 10 ? 4 : 0,
    thirdParties: oneOf(chance, [0, 4, 8]),
    redrives: chance() < 0.3 ? 1 : 0,
    /** Mostly INACTIVE, since nothing can be swallowed after REVOKED. */
    revoked: oneOf(chance, [0, 0.2, 0.2, 0.7]),
    odd: oneOf(chance, [0, 0.1, 0.4]),
    hopeless: chance() < 0.3 ? 0.15 : 0,
  };
  const certificate = (): number => {
    if (chance() < mood.hopeless) return certificates + whole(chance, 0, 1);
    return chance() < 0.4 ? 0 : whole(chance, 0, certificates - 1);
  };
  const status = (): Status => (chance() < mood.revoked ? 'REVOKED' : 'INACTIVE');
  const lane = (): Lane => oneOf(chance, lanes);
  const make: { readonly [does in Plain]: (afterMs: number) => Step } = {
    send: (afterMs) => ({
      does: 'send',
      afterMs,
      lane: lane(),
      certificate: certificate(),
      status: status(),
      form: chance() < mood.odd ? oneOf(chance, forms) : 'id',
    }),
    flood: (afterMs) => ({
      does: 'flood',
      afterMs,
      lane: lane(),
      certificate: whole(chance, 0, certificates - 1),
      count: whole(chance, 5, 30),
      status: status(),
    }),
    'third party': (afterMs) => ({
      does: 'third party',
      afterMs,
      certificate: certificate(),
      what: oneOf(chance, ['activate', 'activate', 'activate', 'activate', 'deactivate', 'revoke', 'delete', 'transfer', 'take back']), // prettier-ignore
    }),
    trouble: (afterMs) => ({
      does: 'trouble',
      afterMs,
      trouble: oneOf(chance, [mood.troubles[0] ?? oneOf(chance, troubles), ...mood.troubles]),
      strength: oneOf(chance, [0.2, 0.5, 0.5, 0.9, 1]),
      forMs: oneOf(chance, [300, 3000, 10_000, 40_000, chance() < 0.1 ? 600_000 : 10_000]),
    }),
    crash: (afterMs) => ({
      does: 'crash',
      afterMs,
      process: whole(chance, 0, 9),
      passages: whole(chance, 0, 12),
      awayMs: whole(chance, 0, 4000),
    }),
    stop: (afterMs) => ({
      does: 'stop',
      afterMs,
      process: whole(chance, 0, 9),
      awayMs: whole(chance, 0, 4000),
    }),
    freeze: (afterMs) => ({
      does: 'freeze',
      afterMs,
      process: whole(chance, 0, 9),
      forMs: oneOf(chance, [50, 500, 5000, 40_000]),
    }),
    jump: (afterMs) => ({
      does: 'jump',
      afterMs,
      process: whole(chance, 0, 9),
      byMs: whole(chance, -300_000, 300_000),
    }),
    redrive: (afterMs) => ({ does: 'redrive', afterMs }),
  };
  const weights: { readonly [does in Plain]: number } = {
    send: 20,
    flood: mood.floods,
    'third party': mood.thirdParties,
    trouble: oneOf(chance, [0, 4, 8]),
    crash: mood.crashes,
    stop: mood.stops,
    freeze: mood.freezes,
    jump: mood.jumps,
    redrive: mood.redrives,
  };
  const bag = (Object.keys(weights) as Plain[]).flatMap((does) =>
    Array.from({ length: weights[does] }, () => does),
  ) as [Plain, ...Plain[]];
  const longest = mappings.length > 0 ? 4000 : 1500;
  const afterMs = (): number =>
    chance() * (chance() < 0.03 ? 30_000 : oneOf(chance, [0, 20, 60, 60, 200, 600, longest]));
  const length = oneOf(chance, [4, 10, 20, 40]);
  return Array.from({ length }, () => make[oneOf(chance, bag)](Math.round(afterMs())));
}

/** Alerts in place of some requests, and troubles of theirs in place of some others. */
function withAlerts(
  steps: readonly Step[],
  chance: Random,
  { certificates }: Rules,
  { things, ceilings, sharesBrake }: AlertRules,
): readonly Step[] {
  const [alerting, moving, troubled] = [
    oneOf(chance, [0.3, 0.6, 0.9]),
    oneOf(chance, [0, 0.1, 0.3]),
    oneOf(chance, [0, 0.5, 1]),
  ];
  const mine = alertTroubles.filter(() => chance() < 0.4);
  const isLarge = certificates > 10;
  const forms = alertForms.filter((form) =>
    form === 'audit' ? isLarge || chance() < 0.6 : chance() < 0.6,
  );
  const certificate = (): number =>
    chance() < 0.4 ? 0 : whole(chance, 0, Math.max(0, certificates - 1));
  const thing = (): number => (chance() < 0.03 ? things : whole(chance, 0, things - 1));
  const lifts = sharesBrake && ceilings.alert !== undefined ? 0.03 : 0;

  function alert(afterMs: number): Step {
    const form = oneOf(chance, [forms[0] ?? 'alarm', ...forms]);
    const isRequest = form === 'request: thing';
    return {
      does: 'alert',
      afterMs,
      form,
      lane: isRequest ? oneOf(chance, lanes) : 'alert',
      thing: thing(),
      certificate: certificate(),
      status: oneOf(chance, ['INACTIVE', 'INACTIVE', 'REVOKED']),
      count: chance() < 0.3 ? whole(chance, 0, 8) : whole(chance, 9, 34),
    };
  }

  function instead(step: Step): Step {
    const { afterMs } = step;
    if (step.does === 'trouble') {
      const strength = Math.min(step.strength, 0.9);
      const trouble = oneOf(chance, [mine[0] ?? 'directory slow', ...mine]);
      return chance() < troubled ? { ...step, trouble, strength } : step;
    }
    if (step.does !== 'send') return step;
    if (chance() < lifts) {
      const forMs = oneOf(chance, [300, 3000, 30_000]);
      return { does: 'lift', afterMs, lane: 'alert', forMs };
    }
    if (chance() < moving) {
      if (chance() < 0.2) return { does: 'suppress', afterMs, certificate: certificate() };
      const isIn = chance() < 0.6;
      return { does: 'attach', afterMs, thing: thing(), certificate: certificate(), isIn };
    }
    return chance() < alerting ? alert(afterMs) : step;
  }

  return steps.map(instead);
}
