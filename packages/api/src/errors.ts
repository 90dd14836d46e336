// SPDX-License-Identifier: Apache-2.0
// The codes of the clients, and how an error body comes back as the error it was. Statuses, bodies
// and the codes of servers are in core (http-errors.ts).
import {
  type CodedError,
  ERROR_KINDS,
  type ErrorCodeOf,
  errorTable,
  toldError,
} from '@cloister/core';
import { z } from 'zod';

/** A CodedError of this package. */
export const apiError = errorTable({
  'peer-unreachable': { kind: 'unavailable', says: 'A peer could not be reached: is it running?' },
  'peer-timed-out': { kind: 'unavailable', says: 'A peer did not answer in time; try again.' },
  'response-malformed': {
    kind: 'unavailable',
    says: 'A peer answered something else than was asked for.',
  },
  'response-not-found': {
    kind: 'not-found',
    says: 'A peer has nothing at this address, and says no more.',
  },
  'upload-unreadable': {
    kind: 'conflict',
    says: 'A file could not be read while it was sent: it changed, or its disk failed.',
  },
  // said by whoever reads what an owner says of a file
  'dialect-malformed': {
    kind: 'usage',
    says: 'What was said of how a file is written cannot be meant, or not of this format.',
  },
  'dialect-conflict': {
    kind: 'usage',
    says: 'Two places say different things of how a file is written: change one.',
  },
  'not-exact': {
    kind: 'malformed',
    says: 'With --strict: something would be cut, or kept as text by a warning.',
  },
});

export type ApiErrorCode = ErrorCodeOf<typeof apiError>;

/** The JSON body of every answer that is not a success. */
export const errorBody = z.object({
  error: z.object({
    code: z.string().max(100),
    kind: z.enum(ERROR_KINDS),
    message: z.string().max(2_000),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
      .default({}),
  }),
});

/** The CodedError that a peer's error body stands for. */
export function fromErrorBody(body: z.infer<typeof errorBody>): CodedError {
  const { details, ...told } = body.error;
  return toldError(told, { details });
}
