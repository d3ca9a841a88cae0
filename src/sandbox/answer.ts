// What the control plane decides to answer: a result, or one of AWS IoT's exceptions by name.

/** One answer, before it becomes HTTP. */
export type Answer =
  | { readonly kind: 'ok'; readonly body?: object }
  | {
      readonly kind: 'exception';
      readonly name: string;
      readonly status: number;
      readonly message: string;
      /** Members that some exceptions have beside the message (AWS service model). */
      readonly members?: Readonly<Record<string, string>>;
    };

/** An answer that is an exception. */
export type Refusal = Extract<Answer, { readonly kind: 'exception' }>;

/** The exceptions that this control plane knows, each with its HTTP status. */
export type ExceptionName = keyof typeof exceptionStatus;

/**
 * HTTP status by exception name, as in the AWS service model. Note that ThrottlingException is 400.
 * AccessDeniedException (IAM's denial), SerializationException and UnknownOperationException are
 * not in the model: they come from the layer before the service.
 */
export const exceptionStatus: {
  readonly AccessDeniedException: 403;
  readonly CertificateStateException: 406;
  readonly CertificateValidationException: 400;
  readonly DeleteConflictException: 409;
  readonly InternalFailureException: 500;
  readonly InvalidRequestException: 400;
  readonly ResourceAlreadyExistsException: 409;
  readonly ResourceNotFoundException: 404;
  readonly SerializationException: 400;
  readonly ServiceUnavailableException: 503;
  readonly ThrottlingException: 400;
  readonly UnauthorizedException: 401;
  readonly UnknownOperationException: 404;
} = {
  AccessDeniedException: 403,
  CertificateStateException: 406,
  CertificateValidationException: 400,
  DeleteConflictException: 409,
  InternalFailureException: 500,
  InvalidRequestException: 400,
  ResourceAlreadyExistsException: 409,
  ResourceNotFoundException: 404,
  SerializationException: 400,
  ServiceUnavailableException: 503,
  ThrottlingException: 400,
  UnauthorizedException: 401,
  UnknownOperationException: 404,
};

/** Whether the name is one that `exceptionStatus` knows. */
export function isExceptionName(name: string): name is ExceptionName {
  return Object.hasOwn(exceptionStatus, name);
}

/** A success, with a JSON body or with none. */
export function ok(body?: object): Answer {
  return body === undefined ? { kind: 'ok' } : { kind: 'ok', body };
}

/** A refusal with a known exception. Names and statuses are AWS's; messages are close to AWS's. */
export function refuse(
  name: ExceptionName,
  message: string,
  members?: Readonly<Record<string, string>>,
): Refusal {
  const refusal: Refusal = { kind: 'exception', name, status: exceptionStatus[name], message };
  return members === undefined ? refusal : { ...refusal, members };
}
