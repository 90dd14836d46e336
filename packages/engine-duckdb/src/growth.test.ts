// SPDX-License-Identifier: Apache-2.0
// What each function that a task may use makes of its arguments, at its worst, is no longer than is
// stated. A function without a call here is one whose growth nobody has looked at.
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { FUNCTIONS, GROWTH } from './allow-list.ts';

/** A capital of two bytes whose small letter has three. */
const LONGER = "repeat('Ⱥ', 100)";
const SMALLER = "repeat('ⱥ', 100)";
const TEXT = "repeat('a', 100)";
const DAY = "DATE '2024-02-29'";
const MOMENT = "TIMESTAMP '2024-02-29 23:59:59.999999'";
const MOST = '4294967295';

/** Of each function the arguments that make most. */
const of = (names: string, ...args: readonly string[]): [string, readonly string[]][] =>
  names.split(' ').map((name) => [name, args]);
const CALLS = new Map<string, readonly string[]>([
  ...of('+ - * / // % ** ^ add subtract multiply divide mod pow power', '7', '3'),
  ...of('abs sign ceil ceiling floor round trunc sqrt cbrt exp ln log log2 log10', '7.5'),
  ...of('isnan isfinite isinf', '7.5::DOUBLE'),
  ...of('length len char_length character_length strlen ascii', TEXT),
  ...of('strpos instr position starts_with ends_with prefix suffix contains', TEXT, "'a'"),
  ...of('~~ !~~ ~~~ ~~* !~~*', TEXT, "'%a'"),
  ...of('like_escape not_like_escape ilike_escape not_ilike_escape', TEXT, "'%a'", "'!'"),
  ...of('year month day quarter week dayofweek isodow dayofyear hour minute second', MOMENT),
  ...of('date_part datepart date_trunc datetrunc', "'year'", MOMENT),
  ...of('date_diff datediff date_sub datesub', "'second'", "TIMESTAMP '1000-01-01'", MOMENT),
  ...of('last_day', DAY),
  ...of('make_date', '9999', '12', '31'),
  ...of('to_years to_months to_weeks to_days to_hours to_minutes', '1000'),
  ...of('to_seconds', '1e9'),
  ...of('lower lcase reverse trim ltrim rtrim', LONGER),
  ...of('upper ucase', SMALLER),
  ...of('substring substr', LONGER, '1', MOST),
  ...of('left right', LONGER, MOST),
  ...of('greatest least coalesce nullif', LONGER, TEXT),
  ...of('|| concat', LONGER, TEXT),
  ...of('replace', TEXT, "'a'", LONGER),
  ...of('strftime', MOMENT, "repeat('%c', 100)"),
]);
/** Which the optimiser makes of another: its growth is that one's. */
const INSIDE = new Map([['like_optimized_escape', 'like_escape']]);

const OPERATOR = /^[^a-z]+$/;
const bytes = (value: string) => `octet_length(encode(CAST(${value} AS VARCHAR)))`;

describe('the growth of each function', () => {
  it('has been looked at', () => {
    const looked = [...CALLS.keys(), ...INSIDE.keys()].sort();
    expect(looked).toEqual([...FUNCTIONS].sort());
  });

  it('is no more than is stated', async () => {
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const sizeOf = async (value: string) => {
      const reader = await connection.runAndReadAll(`SELECT ${bytes(value)}`);
      return Number(reader.getRows()[0]?.[0]);
    };
    const wrong: string[] = [];
    for (const [name, args] of CALLS) {
      const call =
        OPERATOR.test(name) && args.length === 2
          ? `${args[0]} ${name} ${args[1]}`
          : name === 'coalesce'
            ? `${name}(${args})`
            : `"${name}"(${args})`;
      const sizes = await Promise.all(args.map(sizeOf));
      const [first = 0, ...others] = sizes;
      const longest = Math.max(...sizes);
      const all = sizes.reduce((sum, size) => sum + size, 0);
      const got = await sizeOf(call).catch((error: unknown) => String(error));
      // A number is told by its digits here.
      const most = GROWTH.fixed.has(name)
        ? 48
        : GROWTH.kept.has(name)
          ? 1.5 * longest
          : GROWTH.joined.has(name)
            ? all
            : GROWTH.multiplied.has(name)
              ? first * Math.max(1, ...others)
              : 32 * longest;
      if (typeof got !== 'number' || got > most) wrong.push(`${name}: ${got} of at most ${most}`);
    }
    connection.closeSync();
    instance.closeSync();
    expect(wrong).toEqual([]);
  });
});
