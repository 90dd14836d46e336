// SPDX-License-Identifier: Apache-2.0
// An expression by which a policy lets people group, in the form that uses carry.
import type { BoundGrouping, EngineTable } from '@cloister/contract/policy';
import { engineError } from './errors.ts';
import { type Ask, bindStatement, checkTables, planWith } from './planner.ts';
import { quoteName } from './statement.ts';
import { columnsOf, print } from './term.ts';

/** @throws CodedError `engine-grouping-refused`, and the planner's */
export async function bindGrouping(
  ask: Ask,
  { table, sql }: { readonly table: EngineTable; readonly sql: string },
): Promise<BoundGrouping> {
  const code = `SELECT count(*) FROM ${quoteName(table.name)} GROUP BY (${sql}\n)`;
  const inputs = checkTables([table]);
  const plan = await planWith(ask, { code, tables: [table] });
  const { lineage } = await bindStatement(ask, plan.steps[0] ?? '', inputs);
  const [group, ...more] = lineage.groups;
  const columns = group === undefined ? [] : columnsOf(group).map(({ column }) => column);
  const only = plan.uses.every((use) => use.role === 'group' || use.function === 'count_star');
  const one = group !== undefined && more.length === 0 && lineage.having.length === 0;
  if (lineage.shape !== 'grouped' || !one || !only) {
    throw groupingRefused(sql, 'it must be one expression');
  }
  if (columns.length === 0) throw groupingRefused(sql, 'it must use a column');
  return { bound: print(group, 0), columns: columns.toSorted((a, b) => a - b) };
}

function groupingRefused(sql: string, why: string) {
  const message = `${sql} cannot be a grouping: ${why} over the dataset's own columns`;
  return engineError('engine-grouping-refused', message);
}
