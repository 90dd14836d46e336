// SPDX-License-Identifier: Apache-2.0
// Whether a version of a dataset can be asked for, at an accepted price: when a task is proposed,
// and when a run of it moves on to a later version. spec/events.md, "task".
import { firstUnknown, type Input, type Price } from '../shapes.ts';
import { versionKey, versionOf } from './lookup.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';
import { isRetired } from './withdrawals.ts';

const METRICS = ['run', 'row', 'gigabyte', 'second'] as const;

/** Whether it is registered and stands, has the columns, and costs no more than was accepted. */
export function judgeInputAsked(state: FoldState, input: Input, accepted: Price): Verdict {
  const version = versionOf(state, input);
  if (version === undefined) return voided('task-input-unknown', versionKey(input));
  if (isRetired(state, input)) return voided('task-input-retired', versionKey(input));
  const known = version.body.columns.map(({ id }) => id);
  const unknown = firstUnknown(input.columns, known);
  if (unknown !== undefined) {
    return voided('task-column-unknown', `column ${unknown} of ${versionKey(input)}`);
  }
  const { price } = version.body;
  if (accepted.currency !== price.currency) {
    return voided('task-price-currency', `got ${accepted.currency}, wanted ${price.currency}`);
  }
  for (const metric of METRICS) {
    if (accepted[metric] >= price[metric]) continue;
    const got = `got ${accepted[metric]} a ${metric}, wanted ${price[metric]}`;
    return voided('task-price-low', `${versionKey(input)}: ${got}`);
  }
  return undefined;
}
