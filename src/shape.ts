// Lays a shape over what a body holds, and says what does not fit in the words of a dead letter:
// which field, what it held, what would be right.

import type * as z from 'zod';
import { quote } from './quote.ts';
import type { Refusal, RefusalKind } from './request.ts';

export type Fit<T> = { readonly kind: 'fits'; readonly value: T } | Refusal;

/** The value as the shape has it, or a refusal that tells all that is wrong with it. */
export function fit<T>(shape: z.ZodType<T>, value: unknown, path: readonly string[]): Fit<T> {
  const parsed = shape.safeParse(value);
  return parsed.success
    ? { kind: 'fits', value: parsed.data }
    : refused('invalid-request', ...problemsOf(parsed.error, value, path));
}

/** One sentence for each thing that is wrong. */
export function problemsOf(
  { issues }: z.ZodError,
  value: unknown,
  path: readonly string[],
): readonly string[] {
  return issues.map((issue) => {
    const held = issue.path.reduce<unknown>(
      (inside, key) => (inside as Record<PropertyKey, unknown>)[key],
      value,
    );
    const where = [...path, ...issue.path].join('.') || 'body';
    return `${where}: it holds ${quote(held)}; ${issue.message}`;
  });
}

/** A reason stays readable, and fits into a message attribute. */
const mostProblems = 12;

export function refused(failureKind: RefusalKind, ...problems: readonly string[]): Refusal {
  const more = problems.length - mostProblems;
  const told = problems.slice(0, mostProblems);
  if (more > 0) told.push(`and ${more} more of the kind`);
  return { kind: 'refused', failureKind, reason: told.join('; ') };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields that hold something. */
export function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, held]) => held !== undefined && held !== null),
  );
}
