// SPDX-License-Identifier: Apache-2.0
// docs/walkthrough.md with the data centre's keeper and the bank's worker on software TPMs, as the
// page says that one may: the same commands, the same results, and no process of a TPM is left.
import { expect } from 'vitest';
import { Walk } from '../testing/walk.ts';
import { pageIsTrue } from '../testing/walked-page.ts';

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

pageIsTrue('docs/walkthrough.md on software TPMs', walk, () => {
  expect(walk.blocks.length).toBeGreaterThan(10);
});
