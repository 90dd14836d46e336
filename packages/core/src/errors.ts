// SPDX-License-Identifier: Apache-2.0
// The one error class of the project. A CodedError carries a stable `code` that programs match on,
// a `kind` that says what sort of failure it is, a message that says what was got and what was
// wanted (never a secret), and optional `details` that are safe to print. Every package has one
// table of its codes (`errorTable`); what it answers makes that package's errors.
//
// Invariants: bytes from outside only ever surface as CodedErrors; an AssertionError of ours is a
// bug and crashes. The kind belongs to the code, so a throw names none. Kinds become HTTP statuses
// in http-errors.ts alone, exit codes in `cli` alone. docs/errors.md lists every table.

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

/** What a code means, wherever it is thrown. */
export interface ErrorRow {
  readonly kind: ErrorKind;
  /** What has happened and, where something helps, what. The message of a throw says the rest. */
  readonly says: string;
}

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

/** Makes the errors of one table. */
export interface ErrorMaker<C extends string> {
  <K extends C>(code: K, message: string, options?: ErrorOptions): CodedError<K>;
  readonly rows: Readonly<Record<C, ErrorRow>>;
}

/** The codes of a table. */
export type ErrorCodeOf<M> = M extends ErrorMaker<infer C> ? C : never;

/** One package's table of codes; a code stands in one table of the project, and never moves. */
export function errorTable<C extends string>(rows: Readonly<Record<C, ErrorRow>>): ErrorMaker<C> {
  const make = <K extends C>(code: K, message: string, options?: ErrorOptions): CodedError<K> =>
    new CodedError(code, rows[code].kind, message, options);
  return Object.assign(make, { rows });
}

/** True if a code from elsewhere stands in the table. */
export function hasCode<C extends string>(make: ErrorMaker<C>, code: string): code is C {
  return Object.hasOwn(make.rows, code);
}

/**
 * An error that another process or thread met and told us of: its code and kind are what it said.
 * Whoever calls this has checked both.
 */
export function toldError(
  told: { readonly code: string; readonly kind: ErrorKind; readonly message: string },
  options?: ErrorOptions,
): CodedError {
  return new CodedError(told.code, told.kind, told.message, options);
}

/** True for any CodedError, or for one with the given code. */
export function isCoded(error: unknown, code?: string): error is CodedError {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

/** True for an error of the operating system (`ENOENT` and such), or for the one of that name. */
export function isSystemError(
  error: unknown,
  name?: string,
): error is Error & { readonly code: string } {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return name === undefined ? /^E[A-Z0-9]+$/.test(String(code)) : code === name;
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

/** Codes of core itself. */
export const coreError = errorTable({
  'hex-malformed': {
    kind: 'malformed',
    says: 'Text is not hexadecimal, or not as long as wanted.',
  },
  'base64-malformed': { kind: 'malformed', says: 'Text is not canonical base64.' },
  'utf8-malformed': { kind: 'malformed', says: 'Bytes are not UTF-8 text.' },
  'cbor-malformed': { kind: 'malformed', says: 'Bytes are not well-formed CBOR.' },
  'cbor-not-deterministic': {
    kind: 'malformed',
    says: 'CBOR is well-formed but not in its one deterministic form.',
  },
  'cbor-unencodable': { kind: 'malformed', says: 'A value has no deterministic form in CBOR.' },
  'cose-malformed': { kind: 'malformed', says: 'Bytes are not a COSE_Sign1 as events use it.' },
  'cose-signature-invalid': {
    kind: 'verification',
    says: 'A COSE_Sign1 is not signed by the key that it names.',
  },
  'key-malformed': { kind: 'malformed', says: 'Bytes are not a key of the wanted kind.' },
  'key-small-order': {
    kind: 'verification',
    says: 'A public key is of small order, so signatures under it prove nothing.',
  },
  'blob-not-found': { kind: 'not-found', says: 'Nobody who was asked has the blob.' },
  'blob-digest-malformed': { kind: 'malformed', says: 'A blob is named by other than 32 bytes.' },
  'blob-digest-mismatch': {
    kind: 'verification',
    says: 'Bytes are not those that a digest names.',
  },
  'blob-too-large': {
    kind: 'unavailable',
    says: 'What was sent for a blob is longer than such a blob may be; ask another gateway.',
  },
  'blob-range-invalid': { kind: 'malformed', says: 'A range is not within its blob.' },
  'blob-io-failed': {
    kind: 'unavailable',
    says: 'The folder of blobs could not be read or written; see to its disk, then again.',
  },
  // meant alike by packages that do not import one another
  'policy-malformed': {
    kind: 'malformed',
    says: 'Text or bytes are not a policy, or the policy contradicts itself.',
  },
  'proof-malformed': {
    kind: 'malformed',
    says: 'Bytes are not a proof of the form that is wanted.',
  },
  'column-unknown': { kind: 'malformed', says: 'Something names a column that is not there.' },
});

export type CoreErrorCode = ErrorCodeOf<typeof coreError>;
