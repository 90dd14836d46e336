// SPDX-License-Identifier: Apache-2.0
// Report data changes with every field that it binds, and with nothing else.
import { readFileSync } from 'node:fs';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { REPORT_DATA_LENGTH } from '@cloister/evidence';
import { namedBytes, namedSigner, seededRandom, World } from '@cloister/testkit/world';
import { expect, it } from 'vitest';
import { commitmentOf, commitTo, opens } from '../openings/commitment.ts';
import { type ReportDataInput, reportData } from './report-data.ts';

const world = new World();
const task = namedBytes('report', 'task');
const run = namedBytes('report', 'run').slice(0, 16);
const input: ReportDataInput = {
  genesis: world.genesis,
  signing: namedSigner('report', 'node').key,
  join: world.joinBody('bank', 'worker', 'report', { task, run }),
};
const text = readFileSync(new URL('../../../../spec/report-data.md', import.meta.url), 'utf8');

it('binds every field', () => {
  const { join } = input;
  const other = namedBytes('report', 'other');
  const { task: _task, ...untasked } = join;
  const { run: _run, ...unrun } = join;
  const changed: ReportDataInput[] = [
    { ...input, genesis: other },
    { ...input, signing: other },
    { ...input, join: { ...join, charter: 2 } },
    { ...input, join: { ...join, role: 'keeper' } },
    { ...input, join: { ...join, environment: 'other' } },
    { ...input, join: { ...join, operator: 'other' } },
    { ...input, join: { ...join, measurement: other } },
    { ...input, join: { ...join, task: other } },
    { ...input, join: { ...join, run: other.slice(0, 16) } },
    { ...input, join: untasked },
    { ...input, join: unrun },
    { ...input, join: { ...join, tls: other } },
    { ...input, join: { ...join, hpke: new Uint8Array(65) } },
    { ...input, join: { ...join, checkpoint: other } },
    { ...input, join: { ...join, place: 1 } },
    { ...input, join: { ...join, place: 2 } },
  ];
  for (const length of [32, 64] as const) {
    const all = [input, ...changed].map((i) => toHex(reportData(i, length, nodeCrypto)));
    expect(new Set(all).size).toBe(changed.length + 1);
    expect(all[0]).toHaveLength(2 * length);
  }
});

it('is what the specification shows', () => {
  expect(text).toContain(toHex(reportData(input, 32, nodeCrypto)));
  expect(text).toContain(toHex(reportData(input, 64, nodeCrypto)).slice(0, 64));
  for (const [kind, length] of Object.entries(REPORT_DATA_LENGTH)) {
    expect(text).toMatch(
      new RegExp(`\\\\| \`${kind}\` \\\\| ${length === 0 ? 'none' : length} \\\\|`),
    );
  }
});

it('rests on commitments that open to one value', () => {
  const ports = { crypto: nodeCrypto, random: seededRandom('commitment') };
  const value = namedBytes('report', 'value');
  const { commitment, opening } = commitTo(value, ports);
  expect(opens(commitment, opening, nodeCrypto)).toBe(true);
  expect(opens(commitment, { ...opening, value: value.slice(1) }, nodeCrypto)).toBe(false);
  expect(commitTo(value, ports).commitment).not.toEqual(commitment);
  // A byte moved from the salt to the value is no opening: the salt's length is fixed.
  const salt = opening.salt.slice(0, 15);
  const moved = { salt, value: Uint8Array.of(opening.salt[15] as number, ...value) };
  expect(commitmentOf(moved, nodeCrypto)).toEqual(commitment);
  expect(opens(commitment, moved, nodeCrypto)).toBe(false);
});
