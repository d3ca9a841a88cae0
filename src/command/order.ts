// An order: what `iot-revoke send` asks for all the certificates of its list.

import type { Lane } from '../lane.ts';
import { quote } from '../quote.ts';
import { requestSchema } from '../request.ts';
import type { Status } from '../status.ts';

export interface Order {
  readonly lane: Lane;
  readonly fields: OrderFields;
  /** Show the requests, and send nothing. */
  readonly dryRun: boolean;
}

/** What every request of the order says beside its certificate. */
export interface OrderFields {
  readonly newStatus: Status;
  readonly requestedBy: string | undefined;
  readonly reason: string | undefined;
  readonly incidentId: string | undefined;
  readonly comment: string | undefined;
}

const optionOf: Readonly<Record<string, string>> = {
  newStatus: '--status',
  requestedBy: '--requested-by',
  reason: '--reason',
  incidentId: '--incident-id',
  comment: '--comment',
} satisfies Record<keyof OrderFields, string>;

/** What is wrong with an order's options, by the worker's own schema; one sentence each. */
export function problemsOf(fields: OrderFields): readonly string[] {
  const { success, error } = requestSchema.safeParse(fields);
  const refused = (success ? [] : error.issues).map(({ path, message }) => {
    const name = String(path[0]);
    return `${optionOf[name]}: it holds ${quote(fields[name as keyof OrderFields])}; ${message}`;
  });
  // The schema takes an empty text; on a command line it is a variable that was not set.
  const empty = Object.entries(fields)
    .filter(([name, value]) => value === '' && name !== 'reason')
    .map(([name]) => `${optionOf[name]}: it is empty; leave it out, or say something`);
  const nobody =
    fields.requestedBy === undefined
      ? ['--requested-by: your user has no name here; on whose word is this?']
      : [];
  return [...refused, ...empty, ...nobody];
}
