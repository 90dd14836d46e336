// SPDX-License-Identifier: Apache-2.0
// What every runner must do with a plan of its kind: all rows once and in order, in parts that are
// taken one after another; limits; nothing that the plan does not say; and of what goes wrong with
// data one code that tells nothing.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  EnginePlan,
  Planner,
  ResultPart,
  RunLimits,
  Runner,
  RunRequest,
  RunTable,
} from '@cloister/contract/policy';
import { CodedError, isCoded } from '@cloister/core';
import { type Check, codeOf } from './planner-checks.ts';
import type { Cell, TestTables } from './tables.ts';

const MIB = 1024 * 1024;

export interface RunnerSubject {
  readonly planner: Planner;
  /** A fresh runner; whoever asks for one closes it. */
  readonly runner: () => Runner;
  readonly tables: readonly RunTable[];
  /** A code of one result, of some hundred thousand values or more. */
  readonly code: string;
  /** Its rows, in order. */
  readonly rows: readonly (readonly Cell[])[];
  /** Another code over the same tables, which uses other columns. */
  readonly other: string;
  /** A code that some value makes fail, and that value: no message may have it. */
  readonly failing: { readonly code: string; readonly secret: string };
  /** Reads parts. */
  readonly files: TestTables;
  /** A folder to make folders in. */
  readonly folder: string;
}

const LIMITS: RunLimits = {
  memoryBytes: 128 * MIB,
  threads: 1,
  timeMs: 30_000,
  outputRows: 1_000_000,
  outputBytes: 64 * MIB,
  partBytes: 64 * MIB,
};

interface Ran {
  readonly rows: Cell[][];
  readonly parts: Omit<ResultPart, 'file'>[];
  readonly bytes: number;
  readonly rowsOut: number | undefined;
}

async function using(
  subject: RunnerSubject,
  work: (runner: Runner) => Promise<void>,
): Promise<void> {
  const runner = subject.runner();
  try {
    await work(runner);
  } finally {
    await runner.close();
  }
}

function planOf({ planner, tables, code }: RunnerSubject, other = code): Promise<EnginePlan> {
  return planner.plan({ code: other, tables });
}

async function run(
  subject: RunnerSubject,
  runner: Runner,
  change: Partial<Omit<RunRequest, 'limits'>> & { limits?: Partial<RunLimits> } = {},
): Promise<Ran> {
  const { files, tables } = subject;
  const folder = await mkdtemp(join(subject.folder, 'run-'));
  const plan = change.plan ?? (await planOf(subject));
  const columns = plan.outputs.map(({ name }) => name);
  const ran: Cell[][] = [];
  const parts: Omit<ResultPart, 'file'>[] = [];
  const take = async (part: ResultPart) => {
    const { file, ...of } = part;
    assert.deepEqual(await files.names(file), columns);
    const rows = await files.read([file]);
    assert.equal(rows.length, of.rows);
    ran.push(...rows);
    parts.push(of);
    await change.take?.(part);
  };
  const limits = { ...LIMITS, ...change.limits };
  try {
    const result = await runner.run({ plan, tables, folder, ...change, take, limits });
    const rowsOut = result.metrics.find(({ name }) => name === 'rows-out')?.value;
    assert.equal(result.rows, ran.length);
    return { rows: ran, parts, bytes: result.bytes, rowsOut };
  } finally {
    assert.deepEqual(await readdir(folder), []);
  }
}

/** A plan that was changed ends without a part. */
const refusedPlan =
  (change: (plan: EnginePlan, subject: RunnerSubject) => Promise<Partial<EnginePlan>>) =>
  (subject: RunnerSubject) =>
    using(subject, async (runner) => {
      const plan = await planOf(subject);
      let taken = 0;
      const take = async () => {
        taken += 1;
      };
      const changed = { ...plan, ...(await change(plan, subject)) };
      await codeOf(() => run(subject, runner, { plan: changed, take }));
      assert.equal(taken, 0);
    });

/** Of every runner. */
export const RUNNER_CHECKS: readonly Check<RunnerSubject>[] = [
  {
    name: 'it is of the kind of its planner, and says on how many nodes it runs',
    check: (subject) =>
      using(subject, async ({ kind, nodes }) => {
        assert.equal(kind, subject.planner.kind);
        assert.ok(nodes === 'one' || nodes === 'many');
      }),
  },
  {
    name: 'the result is what the code says',
    check: (subject) =>
      using(subject, async (runner) => {
        const { rows, parts, rowsOut } = await run(subject, runner);
        assert.deepEqual(rows, subject.rows);
        assert.deepEqual(parts, [{ statement: 0, rows: rows.length }]);
        assert.equal(rowsOut, rows.length);
      }),
  },
  {
    name: 'in small parts it has the same rows in the same order, none of them empty',
    check: (subject) =>
      using(subject, async (runner) => {
        const { rows, parts } = await run(subject, runner, { limits: { partBytes: 16 * 1024 } });
        assert.ok(parts.length > 1);
        assert.ok(parts.every((part) => part.rows > 0 && part.statement === 0));
        assert.deepEqual(rows, subject.rows);
      }),
  },
  {
    name: 'the next part is made when the last was taken',
    check: (subject) =>
      using(subject, async (runner) => {
        let under = 0;
        const take = async () => {
          under += 1;
          assert.equal(under, 1);
          await new Promise((resolve) => setTimeout(resolve, 5));
          under -= 1;
        };
        await run(subject, runner, { take, limits: { partBytes: 16 * 1024 } });
      }),
  },
  {
    name: 'what ends its taker ends the run, as it is',
    check: (subject) =>
      using(subject, async (runner) => {
        let taken = 0;
        const take = async () => {
          taken += 1;
          throw new CodedError('taker-full', 'unavailable', 'no');
        };
        const limits = { partBytes: 16 * 1024 };
        assert.equal(await codeOf(() => run(subject, runner, { take, limits })), 'taker-full');
        assert.equal(taken, 1);
      }),
  },
  {
    name: 'limits of rows and bytes are of all parts together',
    check: (subject) =>
      using(subject, async (runner) => {
        const partBytes = 16 * 1024;
        const { bytes } = await run(subject, runner, { limits: { partBytes } });
        const count = subject.rows.length;
        const within = (limits: Partial<RunLimits>) =>
          run(subject, runner, { limits: { partBytes, ...limits } });
        await within({ outputRows: count, outputBytes: bytes });
        await codeOf(() => within({ outputRows: count - 1 }));
        await codeOf(() => within({ outputBytes: bytes - 1 }));
      }),
  },
  {
    name: 'a value that makes it fail is one code, which tells nothing of it',
    check: (subject) =>
      using(subject, async (runner) => {
        const { code, secret } = subject.failing;
        const plan = await planOf(subject, code);
        const error = await run(subject, runner, { plan }).then(
          () => assert.fail('it did not fail'),
          (thrown: unknown) => thrown,
        );
        assert.ok(isCoded(error));
        assert.equal(error.kind, 'verification');
        assert.equal(error.cause, undefined);
        const told = JSON.stringify([error.message, error.details]);
        assert.ok(!told.includes(secret));
      }),
  },
  {
    name: 'steps of another code than the plan is of are not run',
    check: refusedPlan(async (_, subject) => {
      return { steps: (await planOf(subject, subject.other)).steps };
    }),
  },
  {
    name: 'steps that say nothing, or are more than the plan has, are not run',
    check: async (subject) => {
      await refusedPlan(async () => ({ steps: ['\u0000'] }))(subject);
      await refusedPlan(async ({ steps }) => ({ steps: [...steps, ...steps] }))(subject);
    },
  },
  {
    name: 'a plan of other outputs is not run',
    check: refusedPlan(async ({ outputs }) => ({
      outputs: outputs.map((one) => ({ ...one, name: `${one.name}x` })),
    })),
  },
  {
    name: 'a column that is not granted is not read',
    check: (subject) =>
      using(subject, async (runner) => {
        const none = subject.tables.map((table) => ({ ...table, granted: [] }));
        await codeOf(() => run(subject, runner, { tables: none }));
      }),
  },
  {
    name: 'files that are not there, or no Parquet, fail it with a code',
    check: (subject) =>
      using(subject, async (runner) => {
        const folder = join(subject.folder, 'no-file');
        await mkdir(folder, { recursive: true });
        for (const file of [join(subject.folder, 'absent.parquet'), folder]) {
          const wrong = subject.tables.map((table) => ({ ...table, files: [file] }));
          await codeOf(() => run(subject, runner, { tables: wrong }));
        }
      }),
  },
  {
    name: 'it waits until its files are there, and ends as they do where they will not be',
    check: (subject) =>
      using(subject, async (runner) => {
        let there = false;
        const ready = new Promise<void>((resolve) => {
          setTimeout(() => {
            there = true;
            resolve();
          }, 300);
        });
        const take = async () => assert.ok(there);
        await run(subject, runner, { ready, take });
        const gone = Promise.reject(new CodedError('files-gone', 'unavailable', 'no'));
        gone.catch(() => undefined);
        assert.equal(await codeOf(() => run(subject, runner, { ready: gone })), 'files-gone');
      }),
  },
  {
    name: 'closed, it runs nothing',
    check: async (subject) => {
      const runner = subject.runner();
      await runner.close();
      await codeOf(() => run(subject, runner));
    },
  },
];
