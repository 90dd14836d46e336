// SPDX-License-Identifier: Apache-2.0
// The types of the columns of several text files that become one dataset.
import { ColumnTypes } from './infer.ts';
import type { Inspection } from './inspection.ts';

/**
 * By name, the type in which the values of all files stay what they are, for the columns that all
 * of them infer; which columns a Parquet file has it says itself.
 */
export function typesOfAll(inspections: readonly Inspection[]): Record<string, string> {
  const columns = inspections[0]?.columns ?? [];
  const types = columns.flatMap(({ name }) => {
    const merged = new ColumnTypes(inspections[0]?.reading);
    for (const { columns: others, evidence } of inspections) {
      const one = evidence?.[others.findIndex((other) => other.name === name)];
      if (one === undefined) return [];
      merged.merge(one);
    }
    return [[name, merged.type()] as const];
  });
  return Object.fromEntries(types);
}
