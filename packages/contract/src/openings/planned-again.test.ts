// SPDX-License-Identifier: Apache-2.0
// Planning again: the engine is asked as the task says, parameters and all, and a plan that uses or
// puts out anything else is refused, whoever looks.
import { isCoded } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import type { Policy, Rule, Use } from '../policy/index.ts';
import type { EnginePlan, PlanRequest } from '../ports/planner.ts';
import { planToRun, refuseForbidden } from './planned-again.ts';
import type { TaskContents } from './task.ts';

const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;
const REVEAL: Rule = { rule: 'reveal', ...ANY };
const policyOf = (...rules: Rule[]): Policy => ({
  version: 1,
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: [{ id: 1, name: 'a', rules }],
});
const use = (input: number, column: number, output: number): Use => ({
  statement: 0,
  input,
  column,
  role: 'output',
  function: column === 0 ? 'row-by-row' : '',
  expression: column === 0 ? '' : `#${column}`,
  output,
});
const USES = [use(0, 0, 0), use(0, 1, 1), use(1, 0, 0), use(1, 1, 2)];
const OUTPUTS = [
  { id: 1, statement: 0, name: 'a', type: 'BIGINT' },
  { id: 2, statement: 0, name: 'b', type: 'VARCHAR' },
];
const CONTENTS: TaskContents = {
  engine: 'sql',
  code: 'SELECT t.a, u.a AS b FROM t, u WHERE t.a > $least',
  parameters: { tables: ['t', 'u'], params: { least: 40 }, outputs: OUTPUTS },
  uses: USES,
  schemas: ['one', 'two'].map((name) => ({
    name,
    columns: [{ id: 1, name: 'a', type: 'BIGINT' }],
  })),
  policies: [policyOf(REVEAL), policyOf(REVEAL)],
  facts: {
    purpose: 'testing',
    codeDigest: '00'.repeat(32),
    outputs: OUTPUTS.map(({ id }) => ({ id, recipients: ['bank'] })),
  },
};

/** An engine that plans this, and remembers how it was asked. */
function engineOf(change: Partial<EnginePlan> = {}) {
  const asked: PlanRequest[] = [];
  const plan = async (request: PlanRequest): Promise<EnginePlan> => {
    asked.push(request);
    const suppression = request.suppress ?? [];
    return { uses: USES, outputs: OUTPUTS, suppression, steps: ['SELECT 1'], ...change };
  };
  return { asked, planners: new Map([['sql', { plan }]]) };
}

const LOOKS = {
  worker: (engine: ReturnType<typeof engineOf>, contents: TaskContents) =>
    planToRun(engine.planners, contents),
  owner: (engine: ReturnType<typeof engineOf>, contents: TaskContents) =>
    refuseForbidden(engine.planners, contents, (input) => input === 0),
};

const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'allowed',
    (error: unknown) => (isCoded(error) ? error.code : 'uncoded'),
  );

describe.each(Object.entries(LOOKS))('the %s', (_, look) => {
  it('asks for the code with its parameters, over the opened schemas', async () => {
    const engine = engineOf();
    await look(engine, CONTENTS);
    const { code } = CONTENTS;
    const [t, u] = CONTENTS.schemas;
    const tables = [
      { name: 't', columns: t?.columns },
      { name: 'u', columns: u?.columns },
    ];
    expect(engine.asked).toEqual([{ code, params: { least: 40 }, tables }]);
  });

  it('plans nothing for another engine', async () => {
    const engine = engineOf();
    expect(await codeOf(look(engine, { ...CONTENTS, engine: 'spark' }))).toBe('engine-other');
    expect(engine.asked).toEqual([]);
  });

  it('refuses code that uses columns in another way', async () => {
    expect(await codeOf(look(engineOf({ uses: USES.slice(1) }), CONTENTS))).toBe('uses-differ');
  });

  it.each([
    ['names changed about', OUTPUTS.map((o, i) => ({ ...o, name: 'ba'[i] ?? '' }))],
    ['other ids', OUTPUTS.map((o) => ({ ...o, id: o.id + 2 }))],
    ['another type', OUTPUTS.map((o) => ({ ...o, type: 'VARCHAR' }))],
    ['another statement', OUTPUTS.map((o, statement) => ({ ...o, statement }))],
    ['one more', [...OUTPUTS, { id: 3, statement: 0, name: 'c', type: 'BIGINT' }]],
    ['one less', OUTPUTS.slice(1)],
  ])('refuses outputs with %s', async (_what, outputs) => {
    const parameters = { ...CONTENTS.parameters, outputs };
    expect(await codeOf(look(engineOf(), { ...CONTENTS, parameters }))).toBe('outputs-differ');
  });

  it('refuses what the policy of the first input hides', async () => {
    const policies = [policyOf(), policyOf(REVEAL)];
    expect(await codeOf(look(engineOf(), { ...CONTENTS, policies }))).toBe('rows-hidden');
  });
});

describe('a policy of somebody else', () => {
  const policies = [policyOf(REVEAL), policyOf()];

  it('stops a run, and is not for us to decline by', async () => {
    expect(await codeOf(LOOKS.worker(engineOf(), { ...CONTENTS, policies }))).toBe('rows-hidden');
    expect(await codeOf(LOOKS.owner(engineOf(), { ...CONTENTS, policies }))).toBe('allowed');
  });
});

it('a run is planned with its parameters again where policies ask for suppression', async () => {
  const counted: Rule = { rule: 'aggregate', ...ANY, functions: ['COUNT'], groupings: [], k: 20 };
  const columns = [
    { id: 1, name: 'a', rules: [{ rule: 'subject', ...ANY } satisfies Rule] },
    { id: 2, name: 'b', rules: [counted] },
  ];
  const policies = [{ ...policyOf(), columns }];
  const uses: Use[] = [
    { ...use(0, 0, 0), role: 'group', function: 'grouped' },
    { ...use(0, 2, 1), role: 'aggregate', function: 'count' },
  ];
  const engine = engineOf({ uses });
  const { suppression, plan } = await planToRun(engine.planners, { ...CONTENTS, uses, policies });
  expect(suppression).toEqual([{ statement: 0, input: 0, k: 20, subjects: [1] }]);
  expect(plan.suppression).toEqual(suppression);
  expect(engine.asked.map(({ params }) => params)).toEqual([{ least: 40 }, { least: 40 }]);
  expect(engine.asked.map(({ suppress }) => suppress)).toEqual([undefined, suppression]);
});
