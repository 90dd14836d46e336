// SPDX-License-Identifier: Apache-2.0
// The engine's dictionaries of a column of reals take 0 and -0 for one value, the one that came
// first. So the first -0 stops the writing of a file with dictionaries, and it is written without.
import { isCoded } from '@cloister/core';
import { identifier, STOP } from './duck.ts';

/** What follows SELECT to have the columns as they are, and to stop at the first -0. */
export function untilNegativeZero(
  columns: readonly { readonly name: string; readonly type: string }[],
): string {
  const all = columns.map(({ name, type }) => {
    const column = identifier(name);
    if (type !== 'DOUBLE' && type !== 'FLOAT') return column;
    const stop = `WHEN ${column} = 0 AND signbit(${column}) THEN error('${STOP}')`;
    return `CASE ${stop} ELSE ${column} END AS ${column}`;
  });
  return all.join(', ');
}

/** Whether a query has ended so. */
export function metNegativeZero(error: unknown): boolean {
  return isCoded(error) && error.details['stopped'] === true;
}
