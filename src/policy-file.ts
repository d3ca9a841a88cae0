// POLICY_FILE: JSON that says what differs from the default policy. Every problem is told at once, and
// by its place; nothing is guessed, and nothing that is not understood is passed over.

import * as z from 'zod';
import { arnPattern, idPattern } from './certificate.ts';
import { alertFormats } from './intent.ts';
import type { Lane } from './lane.ts';
import { defaultPolicy, type Policy } from './policy.ts';
import { quote } from './quote.ts';
import { statuses } from './status.ts';

export type PolicyReading =
  | { readonly kind: 'policy'; readonly policy: Policy }
  /** One sentence a problem; each starts with where it is. */
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/**
 * The policy that a JSON value asks for. Its `alerts` come before the default rules; all else replaces
 * the default, field by field. `mostThings` takes "any" for no limit.
 *
 * @example
 * readPolicy({
 *   alerts: [{ format: 'security-hub-custom-action', name: 'Revoke', newStatus: 'REVOKED' }],
 *   strongest: { rotation: 'INACTIVE' },
 *   protected: { things: ['gateway-*'] },
 *   mostThings: { alert: 3, rotation: 'any' },
 * });
 */
export function readPolicy(value: unknown): PolicyReading {
  const read = schema.safeParse(value);
  if (!read.success) {
    return {
      kind: 'problems',
      problems: read.error.issues.flatMap((issue) => problemsOf(issue, value)),
    };
  }
  const { alerts = [], strongest = {}, protected: spared = {}, mostThings = {} } = read.data;
  const { certificates = [], things = [] } = spared;
  return {
    kind: 'policy',
    policy: {
      alerts: [...alerts, ...defaultPolicy.alerts],
      strongest: { ...defaultPolicy.strongest, ...given(strongest) },
      protected: { certificates, things },
      mostThings: limitsOf({ ...defaultPolicy.mostThings, ...given(mostThings) }),
    },
  };
}

/** The lanes that something is said of. */
function given<T>(said: Readonly<Partial<Record<Lane, T | undefined>>>): Partial<Record<Lane, T>> {
  return Object.fromEntries(Object.entries(said).filter(([, one]) => one !== undefined));
}

function limitsOf(said: Readonly<Partial<Record<Lane, number | 'any'>>>): Policy['mostThings'] {
  const limits = Object.entries(said).filter(([, one]) => one !== 'any');
  return Object.fromEntries(limits) as Policy['mostThings'];
}

/** An object of these fields and no others. */
function object<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  const fields = Object.keys(shape)
    .map((field) => `"${field}"`)
    .join(', ');
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys'
        ? `no field of this name is known; one of ${fields} is expected`
        : `an object with ${fields} is expected`,
  });
}

function list<Item extends z.ZodType>(item: Item, of: string): z.ZodOptional<z.ZodArray<Item>> {
  return z.array(item, { error: `a list of ${of} is expected` }).optional();
}

/** For each lane its own, or none. */
function ofLanes<Value extends z.ZodType>(value: Value): z.ZodOptional<OfLanes<Value>> {
  const own = value.optional();
  return object({ incident: own, alert: own, rotation: own }).optional();
}

type OfLanes<Value extends z.ZodType> = z.ZodObject<
  Record<Lane, z.ZodOptional<Value>>,
  z.core.$strict
>;

const certificateForm = 'a certificate id of 64 hexadecimal characters, or its ARN,';
const thingForm =
  'the name of a thing (1 to 128 letters, digits, ":", "_" and "-"), with * for any characters,';

const status = z.enum(statuses, { error: '"INACTIVE" or "REVOKED" is expected' });

const rule = object({
  format: z.enum(alertFormats, { error: `one of ${alertFormats.join(', ')} is expected` }),
  name: z.string({ error: 'the name of an alert, with * for any characters, is expected' }),
  newStatus: z.enum([...statuses, 'ignore'], {
    error: '"INACTIVE", "REVOKED" or "ignore" is expected',
  }),
});

const certificate = z
  .string({ error: `${certificateForm} is expected` })
  .refine((text) => idPattern.test(text) || arnPattern.test(text), {
    error: `${certificateForm} is expected`,
  });

const thing = z
  .string({ error: `${thingForm} is expected` })
  .regex(/^[a-zA-Z0-9:_*-]{1,128}$/, { error: `${thingForm} is expected` });

const mostForm = { error: 'a whole number above 0, or "any", is expected' };
const most = z.union([z.int(mostForm).positive(mostForm), z.literal('any')], mostForm);

const schema = object({
  alerts: list(rule, 'rules'),
  strongest: ofLanes(status),
  protected: object({
    certificates: list(certificate, 'certificate ids and ARNs'),
    things: list(thing, 'names of things'),
  }).optional(),
  mostThings: ofLanes(most),
});

function problemsOf(issue: z.core.$ZodIssue, value: unknown): readonly string[] {
  const fields = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
  return fields.map((field) => {
    const path = field === undefined ? issue.path : [...issue.path, field];
    const held = path.reduce<unknown>(
      (inside, key) => (inside as Readonly<Record<PropertyKey, unknown>>)[key],
      value,
    );
    return `${path.join('.') || 'the whole'}: it holds ${quote(held)}; ${issue.message}`;
  });
}
