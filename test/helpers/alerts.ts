// Alerts as AWS documents them (test/alerts/fixtures), and what can be wrong with one.

import { readdirSync, readFileSync } from 'node:fs';

type Fields = Readonly<Record<string, unknown>>;

const folder = new URL('../alerts/fixtures/', import.meta.url);

/** The names of all fixtures. */
export const alertNames: readonly string[] = readdirSync(folder).map((file) =>
  file.replace('.json', ''),
);

/** An alert of that name, with some of its fields replaced; undefined takes one out. */
export function alertOf(name: string, fields: Fields = {}): Fields {
  const text = readFileSync(new URL(`${name}.json`, folder), 'utf8');
  return { ...(JSON.parse(text) as Fields), ...fields };
}

/** The body of such an alert. */
export function alertBody(name: string, fields: Fields = {}): string {
  return JSON.stringify(alertOf(name, fields));
}

/** A Security Hub event whose first finding has some of its fields replaced. */
export function findingBody(name: string, fields: Fields): string {
  const event = alertOf(name) as { detail: { findings: readonly Fields[] } };
  const [first, ...more] = event.detail.findings;
  const findings = [{ ...first, ...fields }, ...more];
  return JSON.stringify({ ...event, detail: { ...event.detail, findings } });
}

export interface Alteration {
  /** Where, with dots. */
  readonly at: string;
  readonly to: unknown;
  readonly body: string;
}

/** What a field may wrongly hold; undefined takes it out. */
const wrongValues: readonly unknown[] = [undefined, null, true, 7, -1, '', 'x y', [], {}];

/** The alert with each of its fields, at any depth, altered in each of these ways. */
export function alterationsOf(
  alert: unknown,
  values: readonly unknown[] = wrongValues,
): readonly Alteration[] {
  return pathsIn(alert).flatMap((path) =>
    values.map((to) => ({
      at: path.join('.'),
      to,
      body: JSON.stringify(withReplaced(alert, path, to)),
    })),
  );
}

/** The paths of all that an object holds. */
function pathsIn(value: unknown, above: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = above.concat(key);
    return [path].concat(pathsIn(inner, path) as string[][]);
  });
}

function withReplaced(
  value: unknown,
  [key = '', ...rest]: readonly string[],
  to: unknown,
): unknown {
  const inner = (value as Fields)[key];
  const replaced = rest.length === 0 ? to : withReplaced(inner, rest, to);
  if (Array.isArray(value)) {
    return replaced === undefined
      ? value.filter((_, at) => String(at) !== key)
      : value.with(Number(key), replaced);
  }
  return { ...(value as Fields), [key]: replaced };
}
