// SPDX-License-Identifier: Apache-2.0
// The order of test files: those of the command, which raise whole worlds and take longest, start
// first, so that none of them runs on alone when everything else is done.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

export class WorldsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const world = ({ moduleId }: TestSpecification) => moduleId.includes('/packages/cli/');
    return [...sorted.filter(world), ...sorted.filter((file) => !world(file))];
  }
}
