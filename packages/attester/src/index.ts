// SPDX-License-Identifier: Apache-2.0
// Where a node's evidence comes from: the attester port, the launcher, and the platforms that it
// loads programs on.
export * from './attester.ts';
export * from './configfs-tsm.ts';
export * from './errors.ts';
export * from './hardware.ts';
export * from './in-process.ts';
export * from './launched-node.ts';
export * from './launcher.ts';
export type { Duties } from './launcher-duties.ts';
export type { PartKind } from './measure/closure.ts';
export * from './measure/manifest.ts';
export {
  type Measured,
  type MeasuredPart,
  type MeasureOptions,
  measureFiles,
} from './measure/measure.ts';
export * from './nitro.ts';
export * from './simulated.ts';
export { responseCodeOf, TpmClient } from './tpm/client.ts';
export * from './tpm/enrol.ts';
export * from './tpm/platform.ts';
export { measurementOnTpm, QUOTED_REGISTERS, type Registers } from './tpm/registers.ts';
export { bootSoftwareTpm, createSoftwareTpm, findSoftwareTpm } from './tpm/software.ts';
export { openTpm } from './tpm/transport.ts';
