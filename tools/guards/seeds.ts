// SPDX-License-Identifier: Apache-2.0
// Some seeds of the simulator as tests, from source, for mutants that no test of their package
// notices. Named so that no other run takes it for a test file.
import { expect, inject, it } from 'vitest';
import { simulate } from '../../packages/testkit/src/simulator/simulate.ts';

const [from, count] = inject('guardSeeds');
const LIMIT_MS = 60_000;

for (let seed = from; seed < from + count; seed++) {
  it(`seed ${seed}`, { timeout: LIMIT_MS }, async () => {
    expect((await simulate(seed)).violations).toEqual([]);
  });
}
