// SPDX-License-Identifier: Apache-2.0
// A run's ticket: the proposer asks one operator to run its task once, in one place. A worker's
// join carries it, so an operator burns only runs that it was asked for. A COSE_Sign1 under the
// proposer's identity key, subject `run-ticket`, payload [1, genesis, task, run, operator, until,
// place or null, versions or null]. spec/events.md, "Tickets and receipts".
import type { CryptoPort, Signer } from '@cloister/core';
import { contractError } from '../errors.ts';
import { isBytes, readCarried, signCarried } from './carried.ts';

/** CWT subject of a ticket: no event kind has this name. */
export const TICKET_SUBJECT = 'run-ticket';

/** As many inputs as a task has at most. */
const INPUTS_MAX = 100;

export interface RunTicket {
  /** Event id of the task, 32 bytes. */
  readonly task: Uint8Array;
  /** 16 random bytes that name the run. */
  readonly run: Uint8Array;
  /** Who may join with it. */
  readonly operator: string;
  /** Ledger time, in milliseconds, from which it is worth nothing. */
  readonly until: number;
  /** The place in a distributed run; absent where one worker runs the task alone. */
  readonly place?: number;
  /** The versions to read, one an input of the task; absent: those that the task names. */
  readonly versions?: readonly number[];
}

/** A ticket whose signature holds, and the key that signed it. */
export interface SignedTicket extends RunTicket {
  readonly signer: Uint8Array;
}

export function signRunTicket(
  proposer: Signer,
  issuer: string,
  { genesis, ticket }: { genesis: Uint8Array; ticket: RunTicket },
): Promise<Uint8Array<ArrayBuffer>> {
  const { task, run, operator, until, place = null } = ticket;
  const versions = ticket.versions === undefined ? null : [...ticket.versions];
  const fields = [task, run, operator, until, place, versions];
  return signCarried(proposer, issuer, { subject: TICKET_SUBJECT, genesis, fields });
}

/** @throws CodedError `ticket-malformed`, and core's COSE and CBOR codes */
export async function readRunTicket(
  bytes: Uint8Array,
  { genesis, crypto }: { genesis: Uint8Array; crypto: CryptoPort },
): Promise<SignedTicket> {
  const of = { subject: TICKET_SUBJECT, genesis, count: 6, crypto };
  const { fields, signer } = await readCarried(bytes, of, malformed);
  const [task, run, operator, until, place, versions] = fields;
  if (!isBytes(task, 32) || !isBytes(run, 16)) throw malformed('task or run is no id');
  if (typeof operator !== 'string' || typeof until !== 'number' || !Number.isSafeInteger(until)) {
    throw malformed('operator or end is missing');
  }
  if (place !== null && !(Number.isSafeInteger(place) && (place as number) > 0)) {
    throw malformed('the place is no number');
  }
  const at = place === null ? {} : { place: place as number };
  return { task, run, operator, until, ...at, ...versionsOf(versions), signer };
}

function versionsOf(field: unknown): Pick<RunTicket, 'versions'> {
  if (field === null) return {};
  const known = Array.isArray(field) ? (field as unknown[]) : [];
  const wrong = known.some((one) => !Number.isSafeInteger(one) || (one as number) < 1);
  if (known.length === 0 || known.length > INPUTS_MAX || wrong) {
    throw malformed('the versions are no numbers, one an input');
  }
  return { versions: known as number[] };
}

function malformed(why: string) {
  return contractError('ticket-malformed', `a run's ticket does not hold: ${why}`);
}
