// SPDX-License-Identifier: Apache-2.0
// Crypto-agile event logs (TCG PC Client Platform Firmware Profile 1.06, section 10) to events: the
// log of a TPM's firmware and, in the same form, the CCEL of confidential VMs (UEFI 2.10, section
// 38.4). Logs come in buffers: they end at zero or 0xff padding. Logs with SHA-1 only are refused.
//
//   first event: u32 index, u32 type 3, sha1[20], u32 size, "Spec ID Event03\0" ... algorithms
//   others:      u32 index, u32 type, u32 n, n x { u16 algorithm, digest }, u32 size, data
import { type CryptoPort, equal, fromUtf8, type HashName, isCoded } from '@cloister/core';
import { FieldReader } from '../bytes.ts';
import { evidenceError } from '../errors.ts';

const MAX_LOG_BYTES = 4 * 1024 * 1024;
const MAX_EVENTS = 20_000;
const MAX_ALGORITHMS = 8;
const SPEC_ID = 'Spec ID Event03\0';
export const EV_NO_ACTION = 3;
const STARTUP_LOCALITY = 'StartupLocality\0';

/** TPM_ALG_ID of banks (TPM 2.0 part 2, table 9). SHA-1 is parsed and never replayed. */
export const BANKS: Readonly<Partial<Record<HashName, number>>> = {
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
};

export interface LogEvent {
  /** PCR, or in a CCEL the measurement register: 0 MRTD, 1 to 4 RTMR0 to RTMR3. */
  readonly index: number;
  readonly type: number;
  /** By TPM_ALG_ID. */
  readonly digests: ReadonlyMap<number, Uint8Array>;
  readonly data: Uint8Array;
}

export interface EventLog {
  readonly algorithms: ReadonlyMap<number, number>;
  readonly events: readonly LogEvent[];
  /** What PCR 0 begins with in its last byte (TPM2_Startup locality). */
  readonly startupLocality: number;
}

/** @throws CodedError `event-log-malformed`, `evidence-version-unsupported` */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > MAX_LOG_BYTES) {
    throw evidenceError('event-log-malformed', 'an event log is larger than 4 MiB');
  }
  const reader = new FieldReader(bytes, 'event log', 'event-log-malformed');
  const algorithms = readSpecId(reader);
  const events: LogEvent[] = [];
  let startupLocality = 0;
  while (reader.left >= 16 && !isPadding(reader.peek(16))) {
    if (events.length === MAX_EVENTS) {
      throw evidenceError('event-log-malformed', `more than ${MAX_EVENTS} events`);
    }
    const event = readEvent(reader, algorithms);
    events.push(event);
    if (event.type === EV_NO_ACTION) startupLocality = localityOf(event) ?? startupLocality;
  }
  const rest = reader.rest();
  if (!isPadding(rest)) {
    throw evidenceError('event-log-malformed', `${rest.length} bytes after the last event`);
  }
  return { algorithms, events, startupLocality };
}

/** All zero, or all ones. */
function isPadding(bytes: Uint8Array): boolean {
  const [first] = bytes;
  if (first !== undefined && first !== 0 && first !== 0xff) return false;
  return bytes.every((byte) => byte === first);
}

function readSpecId(reader: FieldReader): Map<number, number> {
  reader.u32();
  const type = reader.u32();
  reader.bytes(20);
  const data = reader.sub(reader.u32());
  const signature =
    data.left >= 16 ? Array.from(data.bytes(16), (b) => String.fromCharCode(b)) : [];
  if (type !== EV_NO_ACTION || signature.join('') !== SPEC_ID) {
    throw evidenceError('evidence-version-unsupported', 'an event log without a Spec ID Event03');
  }
  data.bytes(8);
  const count = data.u32();
  if (count === 0 || count > MAX_ALGORITHMS) {
    throw evidenceError('event-log-malformed', `an event log with ${count} algorithms`);
  }
  const algorithms = new Map<number, number>();
  for (let i = 0; i < count; i++) algorithms.set(data.u16(), data.u16());
  data.bytes(data.u8());
  return algorithms;
}

function readEvent(reader: FieldReader, algorithms: ReadonlyMap<number, number>): LogEvent {
  const index = reader.u32();
  const type = reader.u32();
  const count = reader.u32();
  if (count > MAX_ALGORITHMS) {
    throw evidenceError('event-log-malformed', `an event with ${count} digests`);
  }
  const digests = new Map<number, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const algorithm = reader.u16();
    const size = algorithms.get(algorithm);
    if (size === undefined || digests.has(algorithm)) {
      throw evidenceError('event-log-malformed', `an event has a stray digest ${algorithm}`);
    }
    digests.set(algorithm, reader.bytes(size));
  }
  return { index, type, digests, data: reader.bytes(reader.u32()) };
}

function localityOf({ data }: LogEvent): number | undefined {
  if (data.length !== STARTUP_LOCALITY.length + 1) return undefined;
  const text = data.subarray(0, STARTUP_LOCALITY.length);
  return text.every((byte, i) => byte === STARTUP_LOCALITY.charCodeAt(i))
    ? data[STARTUP_LOCALITY.length]
    : undefined;
}

/**
 * Registers that the log gives in the bank of `hash`, by index. Registers without events are
 * absent.
 * @throws CodedError `event-log-malformed` when the log lacks that bank
 */
export function replayEventLog(
  crypto: CryptoPort,
  log: EventLog,
  hash: 'sha256' | 'sha384' | 'sha512',
): Map<number, Uint8Array> {
  const bank = BANKS[hash] as number;
  const size = log.algorithms.get(bank);
  if (size === undefined) throw evidenceError('event-log-malformed', `the log has no ${hash} bank`);
  const registers = new Map<number, Uint8Array>();
  for (const { index, type, digests } of log.events) {
    if (type === EV_NO_ACTION) continue;
    const digest = digests.get(bank);
    if (digest === undefined) {
      throw evidenceError('event-log-malformed', `an event lacks its ${hash} digest`);
    }
    let register = registers.get(index);
    if (register === undefined) {
      register = new Uint8Array(size);
      if (index === 0) register[size - 1] = log.startupLocality;
    }
    registers.set(index, crypto.digest(hash, register, digest));
  }
  return registers;
}

/**
 * True if the event's data is what was measured. For the types whose digest covers something else
 * (a PE image, a variable's contents) this is false, and the data is only the firmware's word.
 */
export function isDataMeasured(
  crypto: CryptoPort,
  event: LogEvent,
  hash: 'sha256' | 'sha384' | 'sha512',
): boolean {
  const digest = event.digests.get(BANKS[hash] as number);
  return digest !== undefined && equal(digest, crypto.digest(hash, event.data));
}

/** The event's data as text for people, where it is UTF-8. */
export function eventText(event: LogEvent): string {
  try {
    return fromUtf8(event.data)
      .replace(/[^\x20-\x7e]/g, ' ')
      .slice(0, 200);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return '';
  }
}
