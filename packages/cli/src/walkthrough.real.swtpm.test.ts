// SPDX-License-Identifier: Apache-2.0
// docs/walkthrough.md with the data centre's keeper and the bank's worker on software TPMs, as the
// page says that one may: the same commands, the same results, and no process of a TPM is left.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMIT_MS, Walk } from '../testing/walk.ts';

/** One spot of the page, which must be there. */
function exchange(page: string, from: string, to: string): string {
  expect(page).toContain(from);
  return page.replaceAll(from, to);
}

const CREATE = 'cloister hardware create --home bank';
const CARDS = '--hardware bank/hardware';
const CHANGES = [
  ['SIMULATED op-tee machine', 'SIMULATED tpm2 machine'],
  ['optee', 'tpm'],
  [`${CREATE}   --make sgx\n`, `${CREATE} --make sgx\n${CREATE} --make tpm\n`],
  [`${CARDS}/sgx.json`, `${CARDS}/sgx.json ${CARDS}/tpm.json`],
  ['worker serve --home bank --make sgx', 'worker serve --home bank --make tpm'],
  ['--card bank/hardware/sgx.json |', '--card bank/hardware/tpm.json |'],
  ['"bank-ops-sgx"', '"bank-ops-tpm"'],
  ['bank-ops-sgx-worker', 'bank-ops-tpm-worker'],
  // The table's columns are as wide as what is in them.
  ['seat  operator    hardware  roots      trust      evidence', 'seat…roots…evidence'],
] as const;
const walk = new Walk((page) =>
  CHANGES.reduce((text, [from, to]) => exchange(text, from, to), page),
);

beforeAll(() => walk.go(), LIMIT_MS + 10_000);
afterAll(() => walk.end());

describe('docs/walkthrough.md on software TPMs', () => {
  it.each(walk.blocks.map((_, i) => [i + 1]))('block %i gives what the page states', (number) => {
    const { exit, missing, said } = walk.outcome(number);
    expect(missing, said).toEqual([]);
    expect(exit, said).toBe(0);
  });

  it('leaves no process behind', () => {
    expect(walk.alive).toBe(false);
  });
});
