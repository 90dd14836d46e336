// SPDX-License-Identifier: Apache-2.0
// What an amendment changes, in terms, and whose signatures bring it into force.
import { charterSpecimen, namedPoint, namedSigner } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { amendmentNeeds, handoverQuorum, witnessesChange } from './amendment.ts';
import type { CharterBody } from './body.ts';
import { charterChanges, newKeys, rekeyed, widenedEnvironment } from './changes.ts';
import { quorumProblem } from './quorum.ts';

type Draft = { -readonly [K in keyof CharterBody]: CharterBody[K] };
type Environment = CharterBody['environments'][number];

const before = charterSpecimen();

function changed(change: (draft: Draft) => void, from = before): CharterBody {
  const draft = structuredClone(from) as Draft;
  draft.version += 1;
  change(draft);
  return draft;
}

const worker = (change: (of: Environment) => object) => (draft: Draft) => {
  draft.environments = draft.environments.map((one) =>
    one.role === 'worker' ? { ...one, ...change(one) } : one,
  );
};
const more = { measurement: new Uint8Array(32).fill(9), source: 's', recipe: 'r' };
const taking = (of: Environment) => ({ measurements: [...of.measurements, more] });
const keepers = (change: object) => (draft: Draft) => {
  draft.keepers = { ...draft.keepers, ...change };
};
const fresh = (id: string) => ({
  id,
  name: id,
  identity: namedSigner('new', `${id}/identity`).key,
  witness: namedSigner('new', `${id}/witness`).key,
  hpke: namedPoint('new', `${id}/hpke`),
});

/** Effect, the item gained, and whether the quorum has to sign. */
const CASES: [string, (draft: Draft) => void, string, string | undefined, boolean][] = [
  [
    'a measurement more',
    worker(taking),
    'widens',
    `measurement/worker-sgx/${'09'.repeat(32)}`,
    true,
  ],
  ['a measurement less', worker(() => ({ measurements: [more] })), 'narrows', undefined, false],
  ['a lower level', worker(() => ({ minimumSvn: 0 })), 'widens', 'environment/worker-sgx', true],
  ['any level', worker(() => ({ tcb: 'any' })), 'widens', 'environment/worker-sgx', true],
  [
    'another root',
    worker(() => ({ root: more.measurement })),
    'widens',
    'environment/worker-sgx',
    true,
  ],
  ['a higher level', worker(() => ({ minimumSvn: 2 })), 'narrows', undefined, false],
  [
    'a later evaluation',
    worker(() => ({ evaluation: { least: 99 } })),
    'narrows',
    undefined,
    false,
  ],
  ['no engine', worker(() => ({ engines: [] })), 'narrows', undefined, false],
  ['a lower threshold', keepers({ threshold: 1 }), 'widens', 'keepers', true],
  ['more seats', keepers({ seats: 4 }), 'widens', 'keepers', true],
  ['a weaker vendor rule', keepers({ vendors: 1 }), 'widens', 'keepers', true],
  ['a spare', keepers({ spares: ['bank'] }), 'widens', 'keepers', true],
  ['a higher threshold', keepers({ threshold: 3 }), 'narrows', undefined, false],
  ['fewer liars', (d) => (d.witnesses = { faulty: 0, quorum: 3 }), 'widens', 'witnesses', true],
  [
    'a smaller quorum',
    (d) => (d.witnesses = { faulty: 1, quorum: 2 }),
    'widens',
    'witnesses',
    true,
  ],
  ['a member more', (d) => d.members.push(fresh('branch')), 'widens', undefined, true],
  ['a member less', (d) => d.members.pop(), 'narrows', undefined, true],
  ['an operator less', (d) => d.operators.pop(), 'narrows', undefined, false],
  ['an environment less', (d) => d.environments.shift(), 'narrows', undefined, false],
  ['a machine less', (d) => d.operators[0]?.hardware.pop(), 'narrows', undefined, false],
  ['other rules', (d) => (d.fold = 2), 'widens', 'fold', true],
  ['another name', (d) => (d.name = 'x'), 'neutral', undefined, true],
  [
    'another recipe of a measurement',
    worker(({ measurements }) => ({
      measurements: measurements.map((m) => ({ ...m, recipe: 'x' })),
    })),
    'neutral',
    undefined,
    true,
  ],
  [
    'other deadlines',
    (d) => (d.deadlines = { ...d.deadlines, run: 1 }),
    'neutral',
    undefined,
    true,
  ],
  ['real hardware only', (d) => (d.simulated = false), 'narrows', undefined, false],
];

describe('changes of a charter', () => {
  it.each(CASES)('%s', (_what, change, effect, gains, quorum) => {
    const all = charterChanges(before, changed(change));
    expect(all.map((one) => one.effect)).toContain(effect);
    const found = all.find((one) => one.effect === effect);
    expect([found?.gains, found?.quorum]).toEqual([gains, quorum]);
  });

  it('are none where only the version is another', () => {
    expect(
      charterChanges(
        before,
        changed(() => undefined),
      ),
    ).toEqual([]);
  });

  it('gain an operator, its key and each machine by name', () => {
    const other = changed((draft) => {
      draft.operators[0] = { ...(draft.operators[0] as object), key: more.measurement } as never;
      const hardware = [{ tee: 'sgx-dcap', id: Uint8Array.of(7) }];
      draft.operators.push({ id: 'new', name: 'New', key: new Uint8Array(32), hardware });
    });
    expect(charterChanges(before, other).map(({ gains }) => gains)).toEqual([
      'operator/insurer',
      'operator/new',
      'hardware/new/sgx-dcap/07',
    ]);
  });

  it('say that an environment was left and came with wider terms', () => {
    expect(widenedEnvironment(before, changed(worker(() => ({ tcb: 'any' }))))).toBe('worker-sgx');
    expect(
      widenedEnvironment(before, changed(worker(() => ({ advisories: ['a'] })))),
    ).toBeDefined();
    expect(widenedEnvironment(before, changed(worker(() => ({ family: 'amd' }))))).toBeDefined();
    expect(widenedEnvironment(before, changed(worker(() => ({ tcb: [] }))))).toBeUndefined();
    const numbers = (least: number, most?: number) =>
      changed(worker(() => ({ evaluation: { least, ...(most === undefined ? {} : { most }) } })));
    const bounded = numbers(17, 18);
    for (const up of [numbers(18, 18), numbers(17, 20), numbers(18)]) {
      expect(widenedEnvironment(bounded, up)).toBeUndefined();
    }
    for (const down of [numbers(16, 18), numbers(17, 17)]) {
      expect(widenedEnvironment(bounded, down)).toBe('worker-sgx');
    }
    expect(widenedEnvironment(before, changed(worker(taking)))).toBeUndefined();
    const evaluated = worker(() => ({ evaluation: { least: 18 } }));
    const from = changed(evaluated);
    const back = changed(
      worker(() => ({ evaluation: { least: 17 } })),
      from,
    );
    expect(widenedEnvironment(from, back)).toBe('worker-sgx');
    const caged = changed(worker(() => ({ cage: 'machine' })));
    const free = changed(
      worker(() => ({ cage: 'none' })),
      caged,
    );
    expect(widenedEnvironment(caged, free)).toBe('worker-sgx');
  });

  it('name whose keys are others, and which are new', () => {
    const other = changed((draft) => {
      draft.members[1] = { ...fresh('hospital'), identity: draft.members[1]?.identity as never };
      draft.members.push(fresh('branch'));
    });
    expect(rekeyed(before, other)).toEqual(['hospital']);
    expect(newKeys(before, other)).toHaveLength(3);
  });
});

/** Whether these members' signatures are enough; new keys have spoken. */
function met(after: CharterBody, signed: string[], replaces: string[] = [], from = before) {
  const shown = new Set(newKeys(from, after));
  return amendmentNeeds({ before: from, after, replaces, signed: new Set(signed), shown }).met;
}

describe('an amendment', () => {
  it('that narrows needs a majority', () => {
    const after = changed(worker(() => ({ minimumSvn: 2 })));
    expect(met(after, ['bank'])).toBe(false);
    expect(met(after, ['bank', 'hospital'])).toBe(true);
  });

  it('that widens needs the quorum', () => {
    const after = changed(worker(taking));
    expect(met(after, ['bank', 'hospital'])).toBe(false);
    expect(met(after, ['bank', 'hospital', 'insurer'])).toBe(true);
  });

  it('that removes a member needs all others where the quorum was everybody', () => {
    const after = changed((draft) => draft.members.pop());
    expect(met(after, ['insurer', 'hospital'])).toBe(true);
    expect(met(after, ['insurer'])).toBe(false);
    expect(met(after, ['insurer', 'bank'])).toBe(false);
  });

  it('that removes most members is nobody’s', () => {
    const after = changed((draft) => draft.members.splice(1));
    expect(met(after, ['insurer'])).toBe(false);
  });

  it('of a member’s own keys needs its old key, a majority, and the new keys’ word', () => {
    const after = changed((draft) => {
      draft.members[2] = { ...fresh('bank'), name: 'The bank' };
    });
    expect(met(after, ['insurer', 'hospital'])).toBe(false);
    expect(met(after, ['insurer', 'bank'])).toBe(true);
    const signed = new Set(['insurer', 'bank']);
    const silent = { before, after, replaces: [], signed, shown: new Set<string>() };
    expect(amendmentNeeds(silent)).toMatchObject({ met: false, unshown: newKeys(before, after) });
  });

  it('that replaces lost keys needs all others, and the old key counts for nothing', () => {
    const after = changed((draft) => {
      draft.members[2] = fresh('bank');
    });
    expect(met(after, ['insurer', 'bank'], ['bank'])).toBe(false);
    expect(met(after, ['insurer', 'hospital'], ['bank'])).toBe(true);
  });

  it('of two members is never one’s alone', () => {
    const two = charterSpecimen({ members: ['a', 'b'], seats: 2 });
    const leaves = changed((draft) => draft.members.pop(), two);
    expect(met(leaves, ['a'], [], two)).toBe(false);
    expect(met(leaves, ['a', 'b'], [], two)).toBe(true);
  });
});

describe('a handover', () => {
  it('needs the old quorum, and fewer only where keys are taken from it', () => {
    const rotated = changed((draft) => {
      draft.members[2] = { ...(draft.members[2] as object), witness: more.measurement } as never;
    });
    expect(handoverQuorum(before, changed(worker(taking)))).toBe(3);
    expect(handoverQuorum(before, rotated)).toBe(2);
    expect(witnessesChange(before, rotated)).toBe(true);
    expect(witnessesChange(before, changed(worker(taking)))).toBe(false);
  });

  it('shares more than may lie with every quorum of before, however many keys go', () => {
    for (let w = 1; w <= 12; w++) {
      for (let f = 0; f < w; f++) {
        for (let q = 1; q <= w; q++) {
          if (quorumProblem({ witnesses: w, faulty: f, quorum: q }) !== undefined) continue;
          const members = Array.from({ length: w }, (_, i) => fresh(`m${i}`));
          const old = { ...before, members, witnesses: { faulty: f, quorum: q } };
          for (let gone = 0; gone <= w; gone++) {
            const kept = members.slice(gone);
            const needed = handoverQuorum(old, { ...old, members: kept });
            // Any q of w witnesses, and any `needed` of w, overlap in more than f.
            expect(needed + q - w).toBeGreaterThan(f);
            if (gone === 0) expect(needed).toBe(q);
          }
        }
      }
    }
  });
});
