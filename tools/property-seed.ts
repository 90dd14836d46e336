// SPDX-License-Identifier: Apache-2.0
// The seed of every property test. A fixed one by default, so that a run can be repeated exactly
// and a change is judged by itself; CLOISTER_SEED=random, or a number, looks elsewhere. A failure
// prints its own seed and path.
import fc from 'fast-check';

const FIXED = 1;
const wanted = process.env['CLOISTER_SEED'];
if (wanted !== 'random') {
  fc.configureGlobal({ seed: wanted === undefined ? FIXED : Number(wanted) });
}
