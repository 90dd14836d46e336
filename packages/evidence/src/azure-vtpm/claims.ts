// SPDX-License-Identifier: Apache-2.0
// What verified Azure evidence proves. `measurement` is SHA-256 over the hardware's measurement and
// the TPM's: the paravisor and firmware as launched, and the guest as they measured it. TCB, debug
// and hardware id are the chip's; report data is the TPM quote's qualifying data.
import { type CryptoPort, concat } from '@cloister/core';
import { type PcrBanks, pcrMeasurements, tpmMeasurement } from '../tpm2/quote.ts';
import type { TpmQuote } from '../tpm2/structures.ts';
import type { Claims } from '../types.ts';
import type { HclReport } from './parse.ts';

/** Microsoft's paravisor holds the vTPM and could quote anything. */
export const WEAKNESS_PARAVISOR = 'paravisor';

export interface VerifiedAzure {
  readonly hardware: Claims;
  readonly hcl: HclReport;
  readonly quote: TpmQuote;
  readonly pcrs: PcrBanks;
}

export function azureClaims(crypto: CryptoPort, verified: VerifiedAzure): Claims {
  const { hardware, hcl, quote, pcrs } = verified;
  return {
    ...hardware,
    kind: hcl.type === 'snp' ? 'azure-snp-vtpm' : 'azure-tdx-vtpm',
    measurement: azureMeasurement(crypto, hardware.measurement, tpmMeasurement(crypto, quote)),
    measurements: { ...hardware.measurements, ...pcrMeasurements(pcrs) },
    reportData: quote.extraData,
    binding: quote.extraData.length > 0 ? 'report-data' : 'none',
    alsoFamilies: ['microsoft'],
    weaknesses: [...hardware.weaknesses, WEAKNESS_PARAVISOR],
    extra: {
      ...hardware.extra,
      vmId: hcl.vmId,
      ...(hcl.secureBoot === undefined ? {} : { secureBoot: hcl.secureBoot }),
      resetCount: quote.resetCount,
    },
    proved: [
      ...hardware.proved,
      'the hardware vouches for the paravisor and for the key of its vTPM',
      'that vTPM signed a quote of these PCR values',
    ],
  };
}

/** SHA-256 of the hardware's canonical measurement and the TPM's. */
export function azureMeasurement(
  crypto: CryptoPort,
  hardware: Uint8Array,
  tpm: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', concat(hardware, tpm));
}
