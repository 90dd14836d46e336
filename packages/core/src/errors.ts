// SPDX-License-Identifier: Apache-2.0
// The one error class of the project. A CodedError carries a stable `code` that programs match on,
// a `kind` that says what sort of failure it is, a message that says what was got and what was
// wanted (never a secret), and optional `details` that are safe to print.
//
// Invariants: bytes from outside only ever surface as CodedErrors; an AssertionError of ours is a
// bug and crashes. Only `api` maps kinds to HTTP statuses, only `cli` to exit codes.

/**
 * What sort of failure an error is.
 * - `malformed`: the bytes do not parse.
 * - `verification`: they parse, but a signature, proof, tag or digest does not hold.
 * - `policy`: they hold, but a rule says no.
 * - `unsupported`: well-formed and perhaps right, but not something this build handles.
 * - `unavailable`: someone or something could not be reached; trying again may help.
 * - `conflict`: the state has moved on (a stale head, a name taken, a run already used).
 * - `not-found`: the thing that was named does not exist here.
 * - `usage`: the caller asked wrongly (a missing option, an unauthenticated request).
 */
export type ErrorKind =
  | 'malformed'
  | 'verification'
  | 'policy'
  | 'unsupported'
  | 'unavailable'
  | 'conflict'
  | 'not-found'
  | 'usage';

/** Values safe to print beside a message: never keys, never cell values. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The project's one error class. `C` is the union of a package's codes. */
export class CodedError<C extends string = string> extends Error {
  override readonly name = 'CodedError';
  readonly code: C;
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(
    code: C,
    kind: ErrorKind,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = kind;
    this.details = options.details ?? {};
  }
}

/** True for any CodedError, or for one with the given code. */
export function isCoded(error: unknown, code?: string): error is CodedError {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

/** Runs `f`; whatever it throws that is not a CodedError becomes `wrap(cause)`. */
export function coded<T>(f: () => T, wrap: (cause: unknown) => CodedError): T {
  try {
    return f();
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw wrap(error);
  }
}

/** A broken invariant of our own: not a CodedError, so that it is never mistaken for bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Codes that core itself throws. */
export type CoreErrorCode =
  | 'hex-malformed'
  | 'base64-malformed'
  | 'utf8-malformed'
  | 'cbor-malformed'
  | 'cbor-not-deterministic'
  | 'cbor-unencodable'
  | 'cose-malformed'
  | 'cose-signature-invalid'
  | 'key-malformed'
  | 'key-small-order'
  | 'blob-not-found'
  | 'blob-digest-malformed'
  | 'blob-digest-mismatch'
  | 'blob-range-invalid'
  | 'blob-io-failed';
