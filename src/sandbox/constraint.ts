// The checks that AWS makes before a service sees a request: the service model's constraints on
// each member, and the sentence in which AWS reports those that fail.

import { refuse, type Refusal } from './answer.ts';

/** A member's constraints, as the AWS service model states them. */
interface Constraint {
  readonly required?: boolean;
  /** Characters. */
  readonly minLength?: number;
  /** Characters. */
  readonly maxLength?: number;
  /** Must match the whole value. */
  readonly pattern?: string;
  readonly oneOf?: readonly string[];
  /** For integers. */
  readonly minimum?: number;
  /** For integers. */
  readonly maximum?: number;
}

/** Every status of the model's CertificateStatus. */
const certificateStatuses: readonly CertificateStatus[] = [
  'ACTIVE',
  'INACTIVE',
  'REVOKED',
  'PENDING_TRANSFER',
  'REGISTER_INACTIVE',
  'PENDING_ACTIVATION',
];

/** A certificate's status, as the AWS service model names it. */
export type CertificateStatus =
  | 'ACTIVE'
  | 'INACTIVE'
  | 'REVOKED'
  | 'PENDING_TRANSFER'
  | 'REGISTER_INACTIVE'
  | 'PENDING_ACTIVATION';

// A real id is 64 lowercase hex digits; the model also lets `0x` + 62 digits and capitals through.
const certificateId: Constraint = {
  required: true,
  minLength: 64,
  maxLength: 64,
  pattern: '(0x)?[a-fA-F0-9]+',
};
const thingName: Constraint = {
  required: true,
  minLength: 1,
  maxLength: 128,
  pattern: '[a-zA-Z0-9:_-]+',
};
const page: Constraint = { minimum: 1, maximum: 250 };
const flag: Constraint = { oneOf: ['true', 'false'] };

/** Constraints by member name (AWS service model, iot 2015-05-28). */
const constraints: Readonly<Record<string, Constraint>> = {
  certificateId,
  newStatus: { required: true, oneOf: certificateStatuses },
  status: { oneOf: certificateStatuses },
  certificatePem: { required: true, minLength: 1, maxLength: 65_536 },
  thingName,
  principal: { required: true },
  thingPrincipalType: { oneOf: ['EXCLUSIVE_THING', 'NON_EXCLUSIVE_THING'] },
  taskId: { minLength: 1, maxLength: 40, pattern: '[a-zA-Z0-9-]+' },
  marker: { maxLength: 1024, pattern: '[A-Za-z0-9+/]+={0,2}' },
  pageSize: page,
  maxResults: page,
  isAscendingOrder: flag,
  setAsActive: flag,
  forceDelete: flag,
};

/** InvalidRequestException naming every violation of the given members; undefined when all hold. */
export function refuseInvalid(
  members: Readonly<Record<string, string | undefined>>,
): Refusal | undefined {
  const violations = Object.entries(members).flatMap(([name, value]) =>
    failures(value, constraints[name] ?? {}).map(
      (failure) =>
        `Value ${quoted(value)} at '${name}' failed to satisfy constraint: Member must ${failure}`,
    ),
  );
  if (violations.length === 0) return undefined;
  const count = `${violations.length} validation error${violations.length === 1 ? '' : 's'} detected`;
  return refuse('InvalidRequestException', `${count}: ${violations.join('; ')}`);
}

function failures(value: string | undefined, constraint: Constraint): readonly string[] {
  if (value === undefined) return constraint.required === true ? ['not be null'] : [];
  const { minLength = 0, maxLength = Infinity, pattern, oneOf, minimum, maximum } = constraint;
  const failed: string[] = [];
  if (value.length < minLength) {
    failed.push(`have length greater than or equal to ${minLength}`);
  }
  if (value.length > maxLength) failed.push(`have length less than or equal to ${maxLength}`);
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`).test(value)) {
    failed.push(`satisfy regular expression pattern: ${pattern}`);
  }
  if (oneOf !== undefined && !oneOf.includes(value)) {
    failed.push(`satisfy enum value set: [${oneOf.join(', ')}]`);
  }
  if (minimum !== undefined && !(integer(value) >= minimum)) {
    failed.push(`have value greater than or equal to ${minimum}`);
  }
  if (maximum !== undefined && integer(value) > maximum) {
    failed.push(`have value less than or equal to ${maximum}`);
  }
  return failed;
}

function integer(value: string): number {
  return /^-?\d+$/.test(value) ? Number(value) : NaN;
}

function quoted(value: string | undefined): string {
  return value === undefined ? 'null' : `'${value}'`;
}
