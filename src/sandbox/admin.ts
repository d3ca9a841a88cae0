// The sandbox's own HTTP surface, for a person with curl in another terminal. Not AWS's.

import type { FastifyInstance, FastifyReply } from 'fastify';
import * as z from 'zod';
import { auditSchema, enterAudit } from './audit-operations.ts';
import type { CallLog } from './call-log.ts';
import { faultSchema, type Fault } from './fault.ts';
import { operationNames, type Operation } from './operation.ts';
import type { Registry } from './registry.ts';
import type { Quota } from './token-bucket.ts';

/** What the admin surface may look at and change. */
interface AdminTarget {
  readonly calls: CallLog['calls'];
  readonly setQuota: (quota: Quota | 'unlimited', operation: Operation) => void;
  readonly inject: (fault: Fault) => void;
  readonly clearFaults: () => void;
}

/** Adds the `/_sandbox` routes. Bad input is answered with 400 and every problem found. */
export function addAdminRoutes(app: FastifyInstance, registry: Registry, iot: AdminTarget): void {
  app.get('/_sandbox/calls', (request, reply) =>
    withInput(reply, sinceSchema, request.query, ({ since }) => ({
      next: iot.calls.length,
      calls: iot.calls.slice(since),
    })),
  );
  app.get('/_sandbox/certificates', () => ({
    certificates: Array.from(registry.certificates.values(), ({ certificateId, arn, status }) => ({
      certificateId,
      certificateArn: arn,
      status,
    })),
  }));
  app.put('/_sandbox/quota', (request, reply) =>
    withJson(reply, quotaSchema, request.body, ({ operation, ...quota }) => {
      iot.setQuota('unlimited' in quota ? 'unlimited' : quota, operation);
      return { operation, ...quota };
    }),
  );
  app.post('/_sandbox/faults', (request, reply) =>
    withJson(reply, faultSchema, request.body, (fault) => {
      iot.inject(fault);
      return fault;
    }),
  );
  app.post('/_sandbox/audits', (request, reply) =>
    withJson(reply, auditSchema, request.body, (audit) => ({
      taskId: enterAudit(registry, audit),
      findings: audit.findings.length,
    })),
  );
  app.delete('/_sandbox/faults', (_request, reply) => {
    iot.clearFaults();
    return reply.code(204).send();
  });
}

const sinceSchema = z.strictObject({
  /** Index of the first call to show; the `next` of the answer before. */
  since: z.coerce.number().int().nonnegative().default(0),
});

const operation = z.enum(operationNames).default('UpdateCertificate');
const quotaSchema = z.union(
  [
    z.strictObject({
      operation,
      /** Calls per second. */
      rate: z.number().nonnegative(),
      /** Calls. */
      burst: z.number().nonnegative(),
    }),
    z.strictObject({ operation, unlimited: z.literal(true) }),
  ],
  {
    error:
      'give {"rate": calls per second, "burst": calls} or {"unlimited": true}, and perhaps "operation"',
  },
);

function withInput<Input>(
  reply: FastifyReply,
  schema: z.ZodType<Input>,
  input: unknown,
  act: (input: Input) => object,
): FastifyReply {
  const parsed = schema.safeParse(input);
  return parsed.success
    ? reply.send(act(parsed.data))
    : reply.code(400).send({ message: z.prettifyError(parsed.error) });
}

// The control plane reads bodies as text, since AWS's empty bodies are no JSON.
function withJson<Input>(
  reply: FastifyReply,
  schema: z.ZodType<Input>,
  body: unknown,
  act: (input: Input) => object,
): FastifyReply {
  try {
    return withInput(reply, schema, JSON.parse(String(body)), act);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return reply.code(400).send({ message: `The body is no JSON: ${error.message}` });
  }
}
