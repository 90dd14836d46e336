// SPDX-License-Identifier: Apache-2.0
// Replays a CCEL (UEFI 2.10, section 38.4) and compares it with the RTMRs of verified TDX claims,
// so that its events may be believed. In a CCEL, register 1 is RTMR0 and register 4 is RTMR3.
import { type CryptoPort, equal, toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type LogEvent, parseEventLog, replayEventLog } from '../eventlog/parse.ts';
import type { Claims } from '../types.ts';

/**
 * The events behind the RTMRs in `claims`. A register without events must be zero unless it is
 * listed in `beyond`: RTMR3 (and RTMR2) may be extended by the guest after the log ends.
 * @throws CodedError `event-log-mismatch`, `event-log-malformed`
 */
export function verifyCcel(
  crypto: CryptoPort,
  claims: Pick<Claims, 'measurements'>,
  ccel: Uint8Array,
  options: { readonly beyond?: readonly number[] } = {},
): readonly LogEvent[] {
  const log = parseEventLog(ccel);
  const replayed = replayEventLog(crypto, log, 'sha384');
  for (let n = 0; n < 4; n++) {
    const register = claims.measurements[`rtmr${n}`];
    if (options.beyond?.includes(n) === true) continue;
    const wanted = replayed.get(n + 1) ?? new Uint8Array(48);
    if (register === undefined || !equal(register, wanted)) {
      const got = register === undefined ? 'no such register' : toHex(register);
      const message = `the event log gives RTMR${n} ${toHex(wanted)}, the quote has ${got}`;
      throw evidenceError('event-log-mismatch', message, { details: { register: n } });
    }
  }
  return log.events;
}
