// The front of the control plane: everything that happens to a request before and after its
// operation. Log → throttle → faults → operation → answer, or a connection that fails.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { exceptionStatus, isExceptionName, refuse, type Answer, type Refusal } from './answer.ts';
import type { Call, CallLog } from './call-log.ts';
import type { FaultEffect, FaultPlan } from './fault.ts';
import type { Operation, OperationInput, Route } from './operation.ts';
import { certificateIdIn } from './thing-operations.ts';
import type { TokenBucket } from './token-bucket.ts';

/** What the front works with. */
export interface Front {
  /** Epoch ms. */
  readonly now: () => number;
  readonly log: CallLog;
  readonly faults: FaultPlan;
  /** An operation without a bucket is not throttled; every API has its own (AWS docs: quotas). */
  readonly buckets: ReadonlyMap<Operation, TokenBucket>;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Serves the operations, and refuses what is none. */
export function addOperationRoutes(
  app: FastifyInstance,
  routes: readonly Route[],
  front: Front,
): void {
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      handler: (request, reply) => serve(route, request, reply, front),
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const answer = refuse(
      'UnknownOperationException',
      `The IoT sandbox has no operation ${request.method} ${request.url}`,
    );
    const settle = front.log.receive(callOf('UnknownOperation', request, front.now()));
    settle({ answer: answer.name, applied: false, answeredAtMs: front.now() });
    return carryOut(answer, reply);
  });
  // A request that never got to an operation, e.g. too large a body; or a bug of ours.
  app.setErrorHandler((error, _request, reply) =>
    carryOut(refuse('InternalFailureException', String(error)), reply),
  );
}

/** What a client meets: an answer, or what is none. */
type Meeting = Answer | Extract<FaultEffect, { readonly kind: 'hang' | 'reset' | 'html' }>;

async function serve(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  front: Front,
): Promise<FastifyReply> {
  const call = callOf(route.operation, request, front.now());
  const settle = front.log.receive(call);
  const { meeting, applied } = await meet(route, inputOf(request), call.certificateId, front);
  const answer = meeting.kind === 'exception' ? meeting.name : meeting.kind;
  // Before the answer goes out, so that who has the answer finds it in the log.
  settle(
    meeting.kind === 'hang' ? { answer, applied } : { answer, applied, answeredAtMs: front.now() },
  );
  return carryOut(meeting, reply);
}

async function meet(
  route: Route,
  input: OperationInput,
  certificateId: string | undefined,
  { buckets, faults, sleep }: Front,
): Promise<{ readonly meeting: Meeting; readonly applied: boolean }> {
  if (buckets.get(route.operation)?.take() === false) {
    return { meeting: refuse('ThrottlingException', 'Rate exceeded'), applied: false };
  }
  const { delayMs, effect } = faults.strike(route.operation, certificateId);
  if (delayMs > 0) await sleep(delayMs);
  if (effect?.kind === 'exception') return { meeting: exceptionOf(effect), applied: false };
  if (effect?.kind === 'html') return { meeting: effect, applied: false };
  if (effect?.when === 'before-applying') return { meeting: effect, applied: false };
  const answer = await route.apply(input);
  return { meeting: effect ?? answer, applied: answer.kind === 'ok' };
}

function carryOut(meeting: Meeting, reply: FastifyReply): FastifyReply {
  switch (meeting.kind) {
    case 'ok':
      reply.code(200).send(meeting.body); // undefined sends an empty body
      break;
    case 'exception':
      reply
        .code(meeting.status)
        .header('x-amzn-ErrorType', meeting.name)
        .send({ message: meeting.message, ...meeting.members });
      break;
    case 'html':
      reply.code(503).type('text/html').send(loadBalancerPage);
      break;
    case 'hang':
      reply.hijack();
      break;
    case 'reset':
      reply.hijack();
      reply.raw.socket?.resetAndDestroy();
      break;
  }
  return reply;
}

const loadBalancerPage = `<html>
<head><title>503 Service Temporarily Unavailable</title></head>
<body>
<center><h1>503 Service Temporarily Unavailable</h1></center>
</body>
</html>
`;

function exceptionOf(effect: Extract<FaultEffect, { readonly kind: 'exception' }>): Refusal {
  const { name, message = defaultMessages[name] ?? `Injected ${name}` } = effect;
  // The fault's schema asks for a status where the name has none of its own.
  const status = effect.status ?? (isExceptionName(name) ? exceptionStatus[name] : 500);
  return { kind: 'exception', name, status, message };
}

const defaultMessages: Readonly<Record<string, string>> = {
  ThrottlingException: 'Rate exceeded',
};

function callOf(
  operation: Call['operation'],
  request: FastifyRequest,
  receivedAtMs: number,
): Omit<Call, 'answer' | 'applied'> {
  const { path, query, principal } = inputOf(request);
  const certificateId = path.certificateId ?? certificateIdIn(principal);
  const newStatus = query['newStatus'];
  const userAgent = request.headers['user-agent'];
  return {
    operation,
    ...(certificateId === undefined ? {} : { certificateId }),
    ...(path.thingName === undefined ? {} : { thingName: path.thingName }),
    ...(newStatus === undefined ? {} : { newStatus }),
    receivedAtMs,
    requestId: request.id,
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}

function inputOf(request: FastifyRequest): OperationInput {
  const principal = request.headers['x-amzn-principal'];
  return {
    path: request.params as OperationInput['path'],
    query: request.query as OperationInput['query'],
    principal: Array.isArray(principal) ? principal[0] : principal,
    body: typeof request.body === 'string' ? request.body : '',
  };
}
