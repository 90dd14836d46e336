// SPDX-License-Identifier: Apache-2.0
// What every planner must do, whatever its language: plans that are the same each time, uses and
// outputs that others can judge by, and refusals with a code.
import assert from 'node:assert/strict';
import {
  canonicalUses,
  type EnginePlan,
  type EngineTable,
  isColumnType,
  type Planner,
  type PlanRequest,
  STATEMENTS_MAX,
  statementsOf,
} from '@cloister/contract/policy';
import { isCoded } from '@cloister/core';

/** Something to check of a subject, by its name; it throws where that does not hold. */
export interface Check<Subject> {
  readonly name: string;
  readonly check: (subject: Subject) => Promise<void>;
}

export interface PlannerSubject {
  /** A fresh planner; whoever asks for one closes it. */
  readonly planner: () => Planner;
  readonly tables: readonly EngineTable[];
  /** A code over these tables that reads something of the first. */
  readonly code: string;
  /** Texts that are no code of this language, or no allowed one over these tables. */
  readonly refused: readonly string[];
}

/** The code with which `act` fails. @throws where it does not fail, or without a code */
export async function codeOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
  throw new Error('it was not refused');
}

function requestOf({ code, tables }: PlannerSubject): PlanRequest {
  return { code, tables };
}

async function using(
  subject: PlannerSubject,
  work: (planner: Planner) => Promise<void>,
): Promise<void> {
  const planner = subject.planner();
  try {
    await work(planner);
  } finally {
    await planner.close();
  }
}

const planned =
  (work: (plan: EnginePlan, subject: PlannerSubject) => void) => (subject: PlannerSubject) =>
    using(subject, async (planner) => work(await planner.plan(requestOf(subject)), subject));

/** Of every planner. */
export const PLANNER_CHECKS: readonly Check<PlannerSubject>[] = [
  {
    name: 'it has a kind that tasks can name, and a version',
    check: (subject) =>
      using(subject, async ({ kind, version }) => {
        assert.match(kind, /^[a-z0-9][a-z0-9-]{0,31}$/);
        assert.notEqual(version, '');
      }),
  },
  {
    name: 'one request has one plan, whoever plans it',
    check: (subject) =>
      using(subject, async (one) => {
        const first = await one.plan(requestOf(subject));
        assert.deepEqual(await one.plan(requestOf(subject)), first);
        await using(subject, async (other) =>
          assert.deepEqual(await other.plan(requestOf(subject)), first),
        );
      }),
  },
  {
    name: 'uses are canonical and of what there is, rows of their inputs among them',
    check: planned((plan, { tables }) => {
      assert.deepEqual(plan.uses, canonicalUses(plan.uses));
      assert.notEqual(plan.uses.length, 0);
      const outputs = new Set([0, ...plan.outputs.map(({ id }) => id)]);
      for (const { statement, input, column, output } of plan.uses) {
        assert.ok(statement < statementsOf(plan) && outputs.has(output));
        assert.ok(tables[input] !== undefined && column <= tables[input].columns.length);
        const ofRows = plan.uses.some((use) => {
          return use.statement === statement && use.input === input && use.column === 0;
        });
        assert.ok(ofRows);
      }
    }),
  },
  {
    name: 'outputs are a schema: ids and statements in order, names once, types of columns',
    check: planned(({ outputs }) => {
      assert.deepEqual(
        outputs.map(({ id }) => id),
        outputs.map((_, at) => at + 1),
      );
      const statements = outputs.map(({ statement }) => statement);
      const all = [...new Set(statements)];
      assert.deepEqual(
        statements,
        [...statements].sort((a, b) => a - b),
      );
      assert.deepEqual(
        all,
        all.map((_, at) => at),
      );
      assert.ok(all.length >= 1 && all.length <= STATEMENTS_MAX);
      const names = outputs.map(({ statement, name }) => `${statement} ${name}`);
      assert.equal(new Set(names).size, names.length);
      assert.ok(outputs.every(({ type }) => isColumnType(type)));
    }),
  },
  {
    name: 'what it declares to put out at most is at least one row and one byte',
    check: planned(({ bounds = { rows: 1, bytes: 1 } }) => {
      for (const most of Object.values(bounds)) assert.ok(Number.isSafeInteger(most) && most > 0);
    }),
  },
  {
    name: 'a suppression is in the plan, or refuses it; it is never left out',
    check: (subject) =>
      using(subject, async (planner) => {
        const suppress = [{ statement: 0, input: 0, k: 3, subjects: [1] }];
        const plan = await planner
          .plan({ ...requestOf(subject), suppress })
          .catch((error: unknown) => {
            if (isCoded(error)) return undefined;
            throw error;
          });
        if (plan !== undefined) assert.deepEqual(plan.suppression, suppress);
      }),
  },
  {
    name: 'what is no code, or not allowed, is refused with a code, and it plans on',
    check: (subject) =>
      using(subject, async (planner) => {
        const { code, tables, refused } = subject;
        assert.notEqual(refused.length, 0);
        for (const wrong of refused) {
          await codeOf(() => planner.plan({ tables, code: wrong }));
        }
        await codeOf(() => planner.plan({ code, tables: [] }));
        await planner.plan(requestOf(subject));
      }),
  },
  {
    name: 'a grouping that is none is refused with a code',
    check: (subject) =>
      using(subject, async (planner) => {
        if (planner.bindGrouping === undefined) return;
        for (const wrong of ['', ')', 'no_such_column', '1']) {
          const table = subject.tables[0] as EngineTable;
          const bound = async () => planner.bindGrouping?.(table, wrong);
          await codeOf(bound);
        }
      }),
  },
  {
    name: 'closed, it plans nothing',
    check: async (subject) => {
      const planner = subject.planner();
      await planner.close();
      await codeOf(() => planner.plan(requestOf(subject)));
    },
  },
];
