// SPDX-License-Identifier: Apache-2.0
// Bytes to a typed event. `admit` does all the cryptography that an event's own bytes allow: the
// signature (both of them for a join), points on the curve, a reveal's proof of knowledge, whether
// a complaint is upheld, a maker's signature over its collateral, and a charter's own consistency.
// Rights are not looked at: they are the fold's. Whatever the bytes, the answer is an event or a
// CodedError. spec/events.md, "Admission".
import {
  type CoseSign1,
  type CryptoPort,
  checkCoseSignature,
  decodeCbor,
  equal,
  firstIssue,
  isCoded,
  parseCose,
  toHex,
} from '@cloister/core';
import { verifyPart } from '@cloister/evidence';
import { type Curve, parsePoint } from '@cloister/threshold';
import type { CharterBody } from '../charter/body.ts';
import { charterDigest } from '../charter/body.ts';
import { checkCharter } from '../charter/rules.ts';
import { contractError } from '../errors.ts';
import { EVENT_KINDS, type EventBody, type EventKind } from './bodies.ts';
import { readShownKey } from './charter-key.ts';
import { type AnyEvent, EVENT_VERSION, MAX_EVENT_BYTES, OPERATOR_SUBJECT } from './event.ts';
import { judgeComplaintEvent, judgeRevealEvent, revealCommit } from './key-events.ts';
import { columnsDigest, readReceipt, type SignedReceipt } from './opening-receipt.ts';
import { readRunTicket } from './run-ticket.ts';

const MAX_ISSUER_CHARACTERS = 200;

interface Statement {
  readonly cose: CoseSign1;
  readonly genesis: Uint8Array | null;
  readonly kind: EventKind;
  readonly body: unknown;
}

/** How an event is admitted. */
export interface AdmitOptions {
  /** Multiplies points; by default in the form that runs in a browser too. No verdict differs. */
  readonly curve?: Curve;
  /**
   * Whether what an event carries is worth its milliseconds (a reveal's or a complaint's proof, a
   * record's receipts, a charter's consistency), asked once its signature has held; by default it
   * is. What was not looked at, the event does not say.
   */
  readonly proves?: (event: AnyEvent) => boolean;
}

/**
 * Checks an event's bytes and answers the typed event.
 * @throws CodedError with an `event-`, `join-` or `charter-` code, evidence's codes of collateral,
 *   or core's CBOR, COSE and key codes
 */
export async function admit(
  bytes: Uint8Array,
  crypto: CryptoPort,
  { curve, proves = () => true }: AdmitOptions = {},
): Promise<AnyEvent> {
  if (bytes.length > MAX_EVENT_BYTES) {
    const got = `an event of ${bytes.length} bytes, wanted at most ${MAX_EVENT_BYTES}`;
    throw contractError('event-too-large', got);
  }
  const outer = parseCose(bytes);
  const wrapped = outer.claims.sub === OPERATOR_SUBJECT;
  const statement = readStatement(wrapped ? parseCose(outer.payload) : outer);
  checkWrapping(statement, wrapped ? outer : undefined);
  const body = readBody(statement.kind, statement.body);
  await checkCoseSignature(crypto, outer);
  if (wrapped) await checkCoseSignature(crypto, statement.cose);
  const id = crypto.digest('sha256', statement.cose.sigStructure);
  const event = {
    id,
    key: toHex(id),
    kind: statement.kind,
    genesis: statement.genesis,
    signer: statement.cose.kid,
    ...(wrapped ? { operator: outer.kid } : {}),
    body,
    size: bytes.length,
  } as AnyEvent;
  const found = await findings(event, statement.cose.payload, { crypto, curve, proves });
  return { ...event, ...found } as AnyEvent;
}

function readStatement(cose: CoseSign1): Statement {
  const parts = decodeCbor(cose.payload);
  if (!Array.isArray(parts) || parts.length !== 4) {
    throw malformed('a payload that is not [version, genesis, kind, body]');
  }
  const [version, genesis, kind, body] = parts as unknown[];
  if (version !== EVENT_VERSION) {
    const got = typeof version === 'number' ? String(version) : `a ${typeof version}`;
    const message = `an event of version ${got}, wanted ${EVENT_VERSION}`;
    throw contractError('event-version', message);
  }
  if (typeof kind !== 'string' || !Object.hasOwn(EVENT_KINDS, kind)) {
    const got = typeof kind === 'string' ? JSON.stringify(kind.slice(0, 40)) : `a ${typeof kind}`;
    throw contractError('event-kind-unknown', `no event kind is called ${got}`);
  }
  if (genesis !== null && !(genesis instanceof Uint8Array && genesis.length === 32)) {
    throw contractError('event-genesis', 'a genesis is 32 bytes or null');
  }
  return { cose, genesis, kind: kind as EventKind, body };
}

/** Subject, issuer and the operator's signature: each kind has one right wrapping. */
function checkWrapping(statement: Statement, outer: CoseSign1 | undefined): void {
  const { kind, cose } = statement;
  if (outer !== undefined && kind !== 'join') {
    const message = `an operator signed around a ${kind}; only a join travels that way`;
    throw contractError('countersigned-not-a-join', message);
  }
  if (cose.claims.sub !== kind) {
    const got = JSON.stringify(cose.claims.sub.slice(0, 40));
    const message = `the subject claim is ${got}, and the payload's kind is ${kind}`;
    throw contractError('event-subject', message);
  }
  for (const { claims } of outer === undefined ? [cose] : [cose, outer]) {
    if (claims.iss.length === 0 || claims.iss.length > MAX_ISSUER_CHARACTERS) {
      throw malformed(`an issuer claim of ${claims.iss.length} characters, wanted 1 to 200`);
    }
  }
  if (outer === undefined && kind === 'join') {
    const message = 'a join without its operator around it; wanted a COSE_Sign1 of the operator';
    throw contractError('join-not-countersigned', message);
  }
  if (outer !== undefined && toHex(outer.kid) === toHex(cose.kid)) {
    const message = 'a join whose node and operator are one key; wanted a key made inside the node';
    throw contractError('join-signers-equal', message);
  }
}

function readBody(kind: EventKind, value: unknown): EventBody<EventKind> {
  const read = EVENT_KINDS[kind].body.safeParse(value);
  if (read.success) return read.data;
  const { where, says } = firstIssue(read.error);
  const what = says.slice(0, 160);
  const message = `the body of a ${kind} is wrong${where === '' ? '' : ` at ${where}`}: ${what}`;
  throw contractError('event-body-invalid', message);
}

/** What cryptography finds inside the body, for the fold to compare. */
async function findings(
  event: AnyEvent,
  payload: Uint8Array,
  by: { crypto: CryptoPort; curve: Curve | undefined; proves: (event: AnyEvent) => boolean },
): Promise<object> {
  const { crypto, curve } = by;
  if (event.kind === 'charter') {
    checkGenesis(event, event.body.version === 1);
    const founds = crypto.digest('sha256', payload);
    const named = { founds, charterDigest: charterDigest(event.body, crypto) };
    if (by.proves({ ...event, ...named })) checkWhole(event.body);
    return named;
  }
  checkGenesis(event, false);
  switch (event.kind) {
    case 'amend': {
      const { charter } = event.body;
      if (by.proves(event)) checkWhole(charter);
      return { charterDigest: charterDigest(charter, crypto) };
    }
    case 'sign': {
      const { witness, amend } = event.body;
      if (witness === undefined) return {};
      const about = { genesis: genesisOf(event), amend, identity: event.signer };
      return { shown: await readShownKey(witness, about, crypto) };
    }
    case 'join': {
      checkPoints([event.body.hpke]);
      const { ticket } = event.body;
      if (ticket === undefined) return {};
      return { ticket: await readRunTicket(ticket, { genesis: genesisOf(event), crypto }) };
    }
    case 'collateral':
      return { made: await verifyPart(event.body, crypto) };
    case 'usage':
      if (!by.proves(event)) return {};
      return { receipts: await readReceipts(genesisOf(event), event.body, crypto) };
    case 'commit':
      checkPoints([event.body.receive]);
      return {};
    case 'dataset':
    case 'ack':
      checkPoints([event.body.groupKey]);
      return {};
    case 'reveal': {
      const committed = { commitHash: revealCommit(genesisOf(event), event.body) };
      if (!by.proves({ ...event, ...committed })) return committed;
      return { ...committed, ...judgeRevealEvent(genesisOf(event), event.body, { crypto, curve }) };
    }
    case 'complaint':
      if (!by.proves(event)) return {};
      return judgeComplaintEvent(genesisOf(event), event.body, curve);
    default:
      return {};
  }
}

/** A charter's own consistency, and its members' points. */
function checkWhole(charter: CharterBody): void {
  checkCharter(charter);
  checkPoints(charter.members.map((m) => m.hpke));
}

/** The receipts of a usage record: each over this run, its epoch and the columns recorded. */
function readReceipts(
  genesis: Uint8Array,
  body: EventBody<'usage'>,
  crypto: CryptoPort,
): Promise<SignedReceipt[]> {
  const columns = columnsDigest(body.inputs, crypto);
  return Promise.all(
    body.receipts.map(async (bytes) => {
      const receipt = await readReceipt(bytes, { genesis, crypto });
      const { task, run, epoch } = receipt;
      const same = equal(task, body.task) && equal(run, body.run) && equal(epoch, body.epoch);
      if (same && equal(receipt.columns, columns)) return receipt;
      const message = 'a receipt is for another run, epoch or other columns than are recorded';
      throw contractError('receipt-malformed', message);
    }),
  );
}

/** Every kind but a first charter names one (checkGenesis). */
function genesisOf(event: AnyEvent): Uint8Array {
  return event.genesis as Uint8Array;
}

function checkGenesis(event: AnyEvent, founding: boolean): void {
  if ((event.genesis === null) === founding) return;
  const message = founding
    ? 'a first charter that names a genesis: it founds one, wanted null'
    : `a ${event.kind} without a genesis, wanted 32 bytes`;
  throw contractError('event-genesis', message);
}

/** Every point is an uncompressed one of P-256 and not infinity. */
function checkPoints(points: readonly Uint8Array[]): void {
  for (const point of points) {
    try {
      parsePoint(point);
    } catch (cause) {
      if (!isCoded(cause)) throw cause;
      const message = `a key in the body is no uncompressed point of P-256: ${cause.message}`;
      throw contractError('event-point-invalid', message);
    }
  }
}

function malformed(got: string): Error {
  return contractError('event-malformed', `got ${got}`);
}
