// SPDX-License-Identifier: Apache-2.0
// A machine with an enrolled TPM as a platform. Loading a program checks that the TPM and the boot
// are the enrolled ones and extends the program's digest before the program starts; quotes carry
// the report data as qualifying data.
//
// What this proves, and what not: firmware and launcher measured what they say before it ran, and
// a TPM signed it. Nothing protects the memory of what runs, so the host is trusted
// (`host-memory-unprotected` in the claims).
import { equal } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { parseAttest, parseTpmPublic, REPORT_DATA_LENGTH } from '@cloister/evidence';
import { ALG, encodeTpmEvidence } from '@cloister/evidence/tpm';
import { attesterError } from '../errors.ts';
import type { Hardware, Platform } from '../hardware.ts';
import type { TpmClient, TpmObject } from './client.ts';
import {
  changedRegisters,
  measurementOnTpm,
  PROGRAM_REGISTER,
  programDigest,
  type Registers,
  withProgram,
} from './registers.ts';
import { akTemplate } from './templates.ts';

export interface TpmPlatformOptions {
  /** Opens the TPM for one node: starting a software TPM is a boot. Closed when the node ends. */
  readonly open: () => Promise<TpmClient>;
  /** What enrolment found: SHA-256 of the attestation key, and the registers of a fresh boot. */
  readonly hardware: Uint8Array;
  readonly registers: Registers;
}

/**
 * A machine with an enrolled TPM. Loading throws CodedError `tpm-key-mismatch` (another TPM),
 * `tpm-registers-changed` (another boot, or a program was loaded before), or the client's codes.
 */
export function tpmPlatform(options: TpmPlatformOptions): Platform {
  return {
    make: 'tpm',
    load: async (program) => {
      const tpm = await options.open();
      let ak: TpmObject | undefined;
      const close = async () => {
        // A TPM without a resource manager keeps what is not flushed, and has room for three.
        if (ak !== undefined) await tpm.flush(ak.handle).catch(() => undefined);
        await tpm.close();
      };
      try {
        ak = await tpm.createPrimary(akTemplate());
        return { ...(await loadedTpm({ tpm, ak, enrolled: options }, program)), close };
      } catch (error) {
        await close();
        throw error;
      }
    },
  };
}

async function loadedTpm(
  of: { tpm: TpmClient; ak: TpmObject; enrolled: TpmPlatformOptions },
  program: Uint8Array,
): Promise<Hardware> {
  const { tpm, ak, enrolled } = of;
  const spki = parseTpmPublic(ak.publicArea).spki;
  if (!equal(nodeCrypto.digest('sha256', spki), enrolled.hardware)) {
    const message = 'the attestation key is not the enrolled one: another TPM, or one made anew';
    throw attesterError('tpm-key-mismatch', message);
  }
  await checkRegisters(tpm, enrolled.registers);
  await tpm.extend(PROGRAM_REGISTER, programDigest(nodeCrypto, program));
  const expected = withProgram(nodeCrypto, enrolled.registers, program);
  return {
    tee: 'tpm2',
    reportDataLength: REPORT_DATA_LENGTH.tpm2 as 32,
    hardware: enrolled.hardware,
    measurement: measurementOnTpm(nodeCrypto, enrolled.registers, program),
    quote: (reportData) => quoteOver({ tpm, ak, spki, expected }, reportData),
  };
}

/** @throws CodedError `tpm-registers-changed` */
async function checkRegisters(tpm: TpmClient, wanted: Registers): Promise<void> {
  const changed = changedRegisters(wanted, await tpm.registers([...wanted.keys()]));
  if (changed.length === 0) return;
  const why = changed.includes(PROGRAM_REGISTER)
    ? 'a program was started since the boot: boot again'
    : 'the machine booted something else: enrol it again if that is right';
  const message = `registers ${changed.join(', ')} are not as enrolled; ${why}`;
  throw attesterError('tpm-registers-changed', message, {
    details: {
      registers: changed.map(String),
    },
  });
}

interface Quoting {
  readonly tpm: TpmClient;
  readonly ak: TpmObject;
  readonly spki: Uint8Array;
  readonly expected: Registers;
}

async function quoteOver(of: Quoting, reportData: Uint8Array): Promise<Uint8Array> {
  const { tpm, ak, spki, expected } = of;
  const { attest, signature } = await tpm.quote(ak, [...expected.keys()], reportData);
  const quote = parseAttest(attest);
  if (!equal(quote.extraData, reportData)) {
    const message = 'the TPM quoted other data than it was asked to';
    throw attesterError('quote-mismatch', message);
  }
  if (!equal(quote.pcrDigest, nodeCrypto.digest('sha256', ...expected.values()))) {
    // Somebody extended a register under the running node: say which.
    await checkRegisters(tpm, expected);
    throw attesterError('quote-mismatch', 'the TPM quoted other registers');
  }
  return encodeTpmEvidence({
    attest,
    signature,
    ak: spki,
    pcrs: new Map([[ALG.sha256, expected]]),
    chain: [],
    log: new Uint8Array(0),
  });
}
