// SPDX-License-Identifier: Apache-2.0
// The face of `@cloister/evidence/mint` (Node only): specimens under development roots.
export type * from './types.ts';
