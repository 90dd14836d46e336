// SPDX-License-Identifier: Apache-2.0
// The lanes as papers and continuous integration know them: CONTRIBUTING.md's table is the lanes',
// every lane has tests and every test's lane a set-up, and all budgets together are what `.ci/run`
// may take from nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './house.ts';
import { lanesWithFiles, laneTable, markdown } from './lane-table.js';

const table = await laneTable();
const script = readFileSync(join(ROOT, '.ci', 'run'), 'utf8');
const MINUTES = Number(/^report.*spent 'all stages' \$SECONDS (\d+)\)/m.exec(script)?.[1]);
const stages = [...script.matchAll(/^ *(?:if )?stage (\w+) (\d+) /gm)].map(
  ([, name, minutes]) => [name, Number(minutes)] as const,
);

it('CONTRIBUTING.md has the table that `node tools/lane-table.js` prints', () => {
  expect(readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')).toContain(`\n${markdown(table)}\n`);
});

it('every lane has tests, and every `x.real.<lane>.test.ts` a lane', () => {
  expect([...table.keys()]).toEqual(lanesWithFiles());
});

it('the lanes fit into their stage, and the stages into the minutes of a run', () => {
  const lanes = [...table.values()].reduce((sum, { minutes: m }) => sum + m.setUp + m.tests, 0);
  expect(stages.map(([name]) => name)).toEqual(['install', 'types', 'lint', 'test', 'lanes']);
  expect(lanes).toBeLessThanOrEqual(Object.fromEntries(stages)['lanes'] ?? 0);
  expect(stages.reduce((sum, [, minutes]) => sum + minutes, 0)).toBeLessThanOrEqual(MINUTES);
});
