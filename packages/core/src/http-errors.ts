// SPDX-License-Identifier: Apache-2.0
// How errors travel over HTTP, for every server and client of the project: a JSON body
// {"error": {"code", "kind", "message", "details"}} and a status that follows from the kind. This
// is the only place that knows the statuses, and here are the codes that every server may answer.
import {
  type CodedError,
  type ErrorCodeOf,
  type ErrorKind,
  errorTable,
  isCoded,
} from './errors.ts';

/** What a server answers to a request that never reaches its subject. */
export const requestError = errorTable({
  'request-malformed': { kind: 'malformed', says: 'A request is not in the form of its endpoint.' },
  'request-too-large': { kind: 'usage', says: 'The body is longer than the endpoint takes.' },
  'request-unauthenticated': {
    kind: 'usage',
    says: 'A request carries no valid proof of who asks: sign it, or send the token.',
  },
  'request-expired': {
    kind: 'usage',
    says: 'A request was signed too long ago or ahead of time; compare the clocks, then again.',
  },
  'request-forbidden': { kind: 'policy', says: 'Who asks is known, and may not ask this.' },
  'route-unknown': { kind: 'not-found', says: 'The server has no such endpoint.' },
  internal: {
    kind: 'unavailable',
    says: 'A fault of the node that was asked; its own log has the cause.',
  },
});

export type RequestCode = ErrorCodeOf<typeof requestError>;

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  usage: 400,
  verification: 422,
  policy: 403,
  unsupported: 501,
  unavailable: 503,
  conflict: 409,
  'not-found': 404,
};

/** Codes for which HTTP has a status of its own. */
const STATUS_OF_CODE: ReadonlyMap<string, number> = new Map([
  ['request-unauthenticated', 401],
  ['unauthenticated', 401],
  ['request-too-large', 413],
  ['event-too-large', 413],
  ['quota-exceeded', 429],
  ['internal', 500],
]);

export const ERROR_KINDS = Object.keys(STATUS_OF_KIND) as [ErrorKind, ...ErrorKind[]];

/** True for a kind as it came from elsewhere. */
export function isErrorKind(said: unknown): said is ErrorKind {
  return typeof said === 'string' && Object.hasOwn(STATUS_OF_KIND, said);
}

/** The status of an answer that carries this error. */
export function httpStatusOf({ code, kind }: Pick<CodedError, 'code' | 'kind'>): number {
  return STATUS_OF_CODE.get(code) ?? STATUS_OF_KIND[kind];
}

/** The JSON body of every answer that is not a success. */
export interface ErrorBody {
  error: {
    code: string;
    kind: ErrorKind;
    message: string;
    details: Record<string, string | number | boolean | string[]>;
  };
}

/**
 * Status and body for anything thrown while a request was served. What is not a CodedError is a
 * fault of ours: it becomes `internal` and its text stays in the server's own log.
 */
export function toErrorResponse(thrown: unknown): { status: number; body: ErrorBody } {
  const error: CodedError = isCoded(thrown)
    ? thrown
    : requestError('internal', 'an internal error; the log of this node has the cause');
  const { code, kind, message } = error;
  const details = Object.fromEntries(
    Object.entries(error.details).map(([k, v]) => [k, Array.isArray(v) ? [...v] : v]),
  ) as ErrorBody['error']['details'];
  const body = { error: { code, kind, message: message.slice(0, 2_000), details } };
  return { status: httpStatusOf(error), body };
}
