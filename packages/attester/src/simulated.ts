// SPDX-License-Identifier: Apache-2.0
// The simulated makes of hardware: each mints format-exact evidence under its own development root
// (`@cloister/evidence/mint`), for the measurement of the files that the launcher measured.
// Charters that accept it say `simulated`, and so does everything under them.
//
// `measureProgram` is what `cloister worker measure` prints and a charter pins.
import { type Clock, systemClock } from '@cloister/core';
import { type EvidenceKind, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH } from '@cloister/evidence';
import { type DevelopmentRoot, hardwareIdOf, mintEvidence } from '@cloister/evidence/mint';
import { attesterError } from './errors.ts';
import type { Hardware, Platform } from './hardware.ts';
import { type Manifest, measurementOf } from './measure/manifest.ts';
import { type MeasuredPart, type MeasureOptions, measureFiles } from './measure/measure.ts';

/** The makes that can be simulated, and the evidence kind that each imitates. */
export const MAKES = {
  sgx: 'sgx-dcap',
  snp: 'sev-snp',
  optee: 'op-tee',
} as const satisfies Record<string, EvidenceKind>;

export type Make = keyof typeof MAKES;

export interface SimulatedHardwareOptions {
  readonly make: Make;
  readonly developmentRoot: DevelopmentRoot;
  /** The encoded manifest of what runs. */
  readonly program: Uint8Array;
  readonly hardware?: Uint8Array;
  readonly clock?: Clock;
}

/** The measurement of a program in each simulated make, and the manifest that it is made of. */
export async function measureProgram(options: MeasureOptions): Promise<{
  readonly measurements: Readonly<Record<Make, Uint8Array>>;
  readonly manifest: Manifest;
  /** The encoded manifest: what other platforms measure in their own ways. */
  readonly encoded: Uint8Array;
  readonly parts: readonly MeasuredPart[];
}> {
  const { encoded, manifest, parts } = await measureFiles(options);
  const measurements = Object.fromEntries(
    Object.entries(MAKES).map(([make, kind]) => [
      make,
      measurementOf(encoded, MEASUREMENT_LENGTH[kind]),
    ]),
  ) as Record<Make, Uint8Array>;
  return { measurements, manifest, encoded, parts };
}

/** A simulated platform. Loading throws CodedError `make-unknown` for another make's root. */
export function simulatedPlatform(options: Omit<SimulatedHardwareOptions, 'program'>): Platform {
  const load = async (program: Uint8Array) => simulatedHardware({ ...options, program });
  return { make: options.make, load };
}

/** Loads a program on a simulated platform. @throws CodedError `make-unknown` */
export function simulatedHardware(options: SimulatedHardwareOptions): Hardware {
  const { make, developmentRoot: root, program, clock = systemClock } = options;
  const tee = MAKES[make];
  const length = REPORT_DATA_LENGTH[tee];
  if (root.kind !== tee || length === 0) {
    const message = `make ${make} mints ${tee}, the development root is for ${root.kind}`;
    throw attesterError('make-unknown', message);
  }
  const hardware = options.hardware ?? hardwareIdOf(root);
  const measurement = measurementOf(program, MEASUREMENT_LENGTH[tee]);
  return {
    tee,
    reportDataLength: length,
    hardware,
    measurement,
    quote: async (reportData) => {
      const at = clock.now();
      const request = { root, measurement, reportData, hardwareId: hardware, at };
      return mintEvidence(request).bytes;
    },
  };
}
