// SPDX-License-Identifier: Apache-2.0
// A committee for one test, stopped when that ends.
import { onTestFinished } from 'vitest';
import { Committee, type CommitteeOptions } from './committee.ts';

export async function committeeOfTest(options: CommitteeOptions = {}): Promise<Committee> {
  const committee = await Committee.create(options);
  onTestFinished(() => committee.stop());
  return committee;
}
