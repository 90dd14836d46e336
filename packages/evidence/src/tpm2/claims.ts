// SPDX-License-Identifier: Apache-2.0
// What a verified TPM quote proves. `measurement` is SHA-256 over the PCR selection and digest
// (quote.ts); single registers are in `measurements`. The hardware id is the digest of the
// attestation key. A TPM rates no TCB and knows no debug mode.
import type { CryptoPort } from '@cloister/core';
import type { EventLog } from '../eventlog/parse.ts';
import type { Claims, Root } from '../types.ts';
import {
  ALG,
  WEAKNESS_ENROLLED,
  WEAKNESS_HOST,
  WEAKNESS_NO_TCB,
  WEAKNESS_SHA1,
} from './constants.ts';
import type { TpmEvidence } from './parse.ts';
import { pcrMeasurements, tpmMeasurement } from './quote.ts';
import type { TpmQuote } from './structures.ts';

/** What an attestation key is trusted by: a chain to a root, or its enrolment. */
export interface AkAnchor {
  readonly root: Root;
  readonly enrolled: boolean;
  /** Milliseconds. */
  readonly validUntil: number;
}

export interface VerifiedTpm extends AkAnchor {
  readonly evidence: TpmEvidence;
  readonly quote: TpmQuote;
  readonly log: EventLog | undefined;
}

export function tpmClaims(crypto: CryptoPort, verified: VerifiedTpm, at: number): Claims {
  const { root, quote, evidence, log, enrolled } = verified;
  return {
    kind: 'tpm2',
    measurement: tpmMeasurement(crypto, quote),
    measurements: pcrMeasurements(evidence.pcrs),
    signers: [],
    reportData: quote.extraData,
    binding: quote.extraData.length > 0 ? 'report-data' : 'none',
    debug: false,
    migratable: false,
    tcb: { status: 'Unrated', advisories: [], svn: {}, number: 0 },
    hardwareId: { type: 'key-digest', value: crypto.digest('sha256', evidence.ak) },
    family: root.family,
    root: root.fingerprint,
    trust: root.trust,
    time: { judgedAt: at, validUntil: verified.validUntil },
    weaknesses: [
      WEAKNESS_HOST,
      WEAKNESS_NO_TCB,
      ...(enrolled ? [WEAKNESS_ENROLLED] : []),
      ...(evidence.pcrs.has(ALG.sha1) ? [WEAKNESS_SHA1] : []),
    ],
    extra: {
      resetCount: quote.resetCount,
      restartCount: quote.restartCount,
      clockSafe: quote.safe,
      firmwareVersion: `0x${quote.firmwareVersion.toString(16)}`,
      events: log?.events.length ?? 0,
    },
    proved: [
      enrolled
        ? `the attestation key is enrolled under ${root.family}`
        : `the attestation key's certificate chains to ${root.family}'s root`,
      'a TPM signed this quote with a key that cannot leave it',
      'the PCR values are the quoted ones',
      ...(log === undefined ? [] : ['the event log replays to them']),
    ],
  };
}
