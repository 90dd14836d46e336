// SPDX-License-Identifier: Apache-2.0
// How errors travel over HTTP: a JSON body {error: {code, kind, message, details}} and a status
// that follows from the kind. This is the only place that knows the statuses.
import { CodedError, type ErrorKind, isCoded } from '@cloister/core';
import { z } from 'zod';

export type ApiErrorCode =
  | 'request-malformed'
  | 'request-unauthenticated'
  | 'request-forbidden'
  | 'request-too-large'
  | 'request-expired'
  | 'response-malformed'
  | 'peer-unreachable'
  | 'peer-timed-out'
  | 'internal';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  usage: 400,
  verification: 422,
  policy: 403,
  unsupported: 501,
  unavailable: 503,
  conflict: 409,
  'not-found': 404,
};

const KINDS = Object.keys(STATUS) as [ErrorKind, ...ErrorKind[]];

/** The JSON body of every answer that is not a success. */
export const errorBody = z.object({
  error: z.object({
    code: z.string().max(100),
    kind: z.enum(KINDS),
    message: z.string().max(2_000),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
      .default({}),
  }),
});

export type ErrorBody = z.infer<typeof errorBody>;

/**
 * Status and body for anything thrown while a request was served. What is not a CodedError is a
 * fault of ours: it becomes `internal` and its text stays in the server's own log.
 */
export function toErrorResponse(error: unknown): { status: number; body: ErrorBody } {
  if (!isCoded(error)) {
    const message = 'an internal error; the log of this node has the cause';
    const body = { code: 'internal', kind: 'unavailable' as const, message, details: {} };
    return { status: 500, body: { error: body } };
  }
  const { code, kind, message } = error;
  const details = Object.fromEntries(
    Object.entries(error.details).map(([k, v]) => [k, Array.isArray(v) ? [...v] : v]),
  ) as ErrorBody['error']['details'];
  const status =
    code === 'request-unauthenticated' ? 401 : code === 'request-too-large' ? 413 : STATUS[kind];
  return { status, body: { error: { code, kind, message: message.slice(0, 2_000), details } } };
}

/** The CodedError that a peer's error body stands for. */
export function fromErrorBody(body: ErrorBody): CodedError {
  const { code, kind, message, details } = body.error;
  return new CodedError(code, kind, message, { details });
}
