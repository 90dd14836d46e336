// SPDX-License-Identifier: Apache-2.0
// A child process under as much confinement as the machine allows.
export { type Cage, type Caged, type Held, openCage, thisCage } from './cage.ts';
export type { CagedProgram, CageLimits } from './caged-program.ts';
export type { CageErrorCode } from './errors.ts';
export { type CageLevel, type CageMeasure, MEASURES } from './measures.ts';
export { type ProgramFiles, packageFolders, programFiles } from './program-files.ts';
export { WAYS, type Way } from './ways.ts';
