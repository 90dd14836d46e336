// SPDX-License-Identifier: Apache-2.0
// One valid charter, then each way of contradicting itself with its code.

import { charterSpecimen } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import type { CharterErrorCode } from '../errors.ts';
import type { CharterBody } from './body.ts';
import { charterBody } from './body.ts';
import { charterProblems, checkCharter } from './rules.ts';

type Draft = { -readonly [K in keyof CharterBody]: CharterBody[K] };

function first<T>(list: readonly T[]): T {
  return list[0] as T;
}

const CASES: [CharterErrorCode, string, (c: Draft) => void][] = [
  ['charter-id-repeated', 'two members', (c) => ((c.members[1] as { id: string }).id = 'insurer')],
  [
    'charter-id-repeated',
    'two operators',
    (c) => ((c.operators[1] as { id: string }).id = 'insurer'),
  ],
  [
    'charter-id-repeated',
    'two environments',
    (c) => c.environments.push({ ...first(c.environments) }),
  ],
  [
    'charter-key-repeated',
    'identity and witness',
    (c) => (first(c.members).witness = first(c.members).identity),
  ],
  [
    'charter-key-repeated',
    "a member's and an operator's",
    (c) => (first(c.operators).key = first(c.members).identity),
  ],
  [
    'charter-key-repeated',
    'two HPKE keys',
    (c) => (first(c.members).hpke = (c.members[1] as { hpke: Uint8Array }).hpke),
  ],
  [
    'charter-hardware-repeated',
    'two operators',
    (c) => c.operators[1]?.hardware.push(...first(c.operators).hardware),
  ],
  ['charter-quorum', 'too few', (c) => (c.witnesses.quorum = 2)],
  ['charter-quorum', 'too many', (c) => (c.witnesses.quorum = 4)],
  ['charter-quorum', 'too many liars', (c) => (c.witnesses.faulty = 2)],
  ['charter-threshold', 't > n', (c) => (c.keepers.threshold = 4)],
  ['charter-vendor-rule', 't = 1', (c) => (c.keepers.threshold = 1)],
  ['charter-seats-unfillable', 'four seats, three operators', (c) => (c.keepers.seats = 4)],
  ['charter-seats-unfillable', 'three vendors of three with t = 2', (c) => (c.keepers.vendors = 3)],
  [
    'charter-seats-unfillable',
    'one family',
    (c) => {
      for (const e of c.environments) e.family = 'intel';
    },
  ],
  ['charter-seats-unfillable', 'hardware gone', (c) => (first(c.operators).hardware.length = 0)],
  [
    'charter-environments',
    'no worker',
    (c) => (c.environments = c.environments.filter((e) => e.role === 'keeper')),
  ],
  [
    'charter-measurement-roles',
    'one program',
    (c) => {
      for (const e of c.environments) e.measurements = first(c.environments).measurements;
    },
  ],
  ['charter-family', 'unknown enroller', (c) => (first(c.environments).family = 'optee:nobody')],
  ['charter-family', 'empty part', (c) => (first(c.environments).family = 'amd+')],
  [
    'charter-programs',
    'neither measurements nor signers',
    (c) => {
      first(c.environments).measurements = [];
    },
  ],
  [
    'charter-programs',
    'both',
    (c) => {
      first(c.environments).signers = [{ key: new Uint8Array(32), tag: 'v1' }];
    },
  ],
  [
    'charter-cage',
    "a keeper's",
    (c) => {
      first(c.environments).cage = 'process';
    },
  ],
  [
    'charter-key-repeated',
    'on another chain',
    (c) => {
      const { identity } = first(c.members);
      first(c.members).chains = [{ chain: 'ethereum', key: identity }];
    },
  ],
  [
    'charter-engines',
    'a worker without one',
    (c) => {
      for (const e of c.environments) e.engines = [];
    },
  ],
  [
    'charter-engines',
    'one named twice',
    (c) => {
      for (const e of c.environments) if (e.role === 'worker') e.engines = ['duckdb', 'duckdb'];
    },
  ],
  [
    'charter-engines',
    "a keeper's",
    (c) => {
      first(c.environments).engines = ['duckdb'];
    },
  ],
  ['charter-tee', 'no kind', (c) => (first(c.environments).tee = 'toString')],
  ['charter-tee', 'a kind that binds nothing', (c) => (first(c.environments).tee = 'sev')],
  ['charter-simulated', 'not accepted', (c) => (c.simulated = false)],
  ['charter-spares', 'a stranger', (c) => (c.keepers.spares = ['nobody'])],
  ['charter-spares', 'one twice', (c) => (c.keepers.spares = ['bank', 'bank'])],
];

describe('charter rules', () => {
  it('find nothing in the specimens', () => {
    expect(charterBody.safeParse(charterSpecimen()).success).toBe(true);
    const options = [
      {},
      { members: ['one'], seats: 1 },
      { members: ['a', 'b', 'c', 'd', 'e', 'f', 'g'], seats: 7, threshold: 4, vendors: 2 },
    ];
    for (const option of options) expect(charterProblems(charterSpecimen(option))).toEqual([]);
  });

  it.each(CASES)('%s: %s', (code, _what, change) => {
    const charter = structuredClone(charterSpecimen()) as Draft;
    change(charter);
    const problems = charterProblems(charter);
    expect(problems.map((p) => p.code)).toContain(code);
    for (const problem of problems)
      expect(problem.message).toMatch(/this charter contradicts itself: /);
    expect(() => checkCharter(charter)).toThrow(first(problems).message);
  });
});
