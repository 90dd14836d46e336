// SPDX-License-Identifier: Apache-2.0
// Which registers a TPM seat is pinned by, and what they must be. Quoted is everything that the
// boot measures and nothing can reset: firmware and its settings (0 to 7), boot loader, kernel and
// command line (8, 9), the unified kernel image and its extensions (11 to 14), and 15, into which
// the launcher extends the digest of the program that it is about to start. 10 is left out: there
// the kernel's IMA logs files in the order in which they happen to be opened.
//
// Invariants: 15 cannot be reset, so one boot attests to one start of one program, and a program
// that ran before shows for ever. All the others are as they were when the machine was enrolled.
// docs/design/tpm-seats.md; UAPI group, "Linux TPM PCR registry".
import { type CryptoPort, equal } from '@cloister/core';
import { ALG, measurementOfPcrs } from '@cloister/evidence/tpm';

/** Registers of the SHA-256 bank, by index. */
export type Registers = ReadonlyMap<number, Uint8Array>;

/** The register that names the program. */
export const PROGRAM_REGISTER = 15;

export const QUOTED_REGISTERS: readonly number[] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15,
];

/** The digest that stands for a program in its register: SHA-256 of its encoded manifest. */
export function programDigest(crypto: CryptoPort, program: Uint8Array): Uint8Array {
  return crypto.digest('sha256', program);
}

/** The enrolled registers, ascending, as they are once a program was measured into them. */
export function withProgram(
  crypto: CryptoPort,
  enrolled: Registers,
  program: Uint8Array,
): Registers {
  const before = enrolled.get(PROGRAM_REGISTER) ?? new Uint8Array(32);
  const after = crypto.digest('sha256', before, programDigest(crypto, program));
  const all = new Map([...enrolled, [PROGRAM_REGISTER, after]]);
  return new Map([...all].sort(([a], [b]) => a - b));
}

/** What a charter pins for a program on an enrolled machine: `Claims.measurement`, 32 bytes. */
export function measurementOnTpm(
  crypto: CryptoPort,
  enrolled: Registers,
  program: Uint8Array,
): Uint8Array {
  return measurementOfPcrs(crypto, ALG.sha256, withProgram(crypto, enrolled, program));
}

/** The indexes that differ, or that only one of the two has. */
export function changedRegisters(wanted: Registers, got: Registers): number[] {
  const all = [...new Set([...wanted.keys(), ...got.keys()])].sort((a, b) => a - b);
  return all.filter((index) => {
    const [one, other] = [wanted.get(index), got.get(index)];
    return one === undefined || other === undefined || !equal(one, other);
  });
}
