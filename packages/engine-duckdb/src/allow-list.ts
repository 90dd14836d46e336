// SPDX-License-Identifier: Apache-2.0
// What a plan may contain. Everything not named here is refused: a function that reads the clock,
// the environment, files, settings or random bits, one that raises errors at will, one that builds
// values of unbounded size, and whatever a later engine may bring. Names are DuckDB 1.5's.

import { COLUMN_TYPES } from '@cloister/contract/policy';

/** Logical operators that may occur at all; lineage through most of them is over-approximated. */
export const OPERATORS: ReadonlySet<string> = new Set([
  'LOGICAL_GET',
  'LOGICAL_DUMMY_SCAN',
  'LOGICAL_EXPRESSION_GET',
  'LOGICAL_PROJECTION',
  'LOGICAL_FILTER',
  'LOGICAL_AGGREGATE_AND_GROUP_BY',
  'LOGICAL_COMPARISON_JOIN',
  'LOGICAL_ANY_JOIN',
  'LOGICAL_DELIM_JOIN',
  'LOGICAL_DELIM_GET',
  'LOGICAL_CROSS_PRODUCT',
  'LOGICAL_DEPENDENT_JOIN',
  'LOGICAL_ORDER_BY',
  'LOGICAL_LIMIT',
  'LOGICAL_DISTINCT',
  'LOGICAL_WINDOW',
  'LOGICAL_UNION',
  'LOGICAL_EXCEPT',
  'LOGICAL_INTERSECT',
  'LOGICAL_MATERIALIZED_CTE',
  'LOGICAL_CTE_REF',
]);

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean));

/**
 * Scalar functions: deterministic and without state. What their results take, in bytes, of the
 * bytes of their arguments: a run's memory bounds what several of them make in one another.
 */
export const GROWTH = {
  /** A number, a truth, a moment: at most 16. */
  fixed: words(`
    + - * / // % ** ^ add subtract multiply divide mod pow power
    abs sign ceil ceiling floor round trunc sqrt cbrt exp ln log log2 log10
    isnan isfinite isinf
    length len char_length character_length strlen strpos instr position ascii
    starts_with ends_with prefix suffix contains
    ~~ !~~ ~~~ ~~* !~~* like_escape not_like_escape ilike_escape not_ilike_escape
    like_optimized_escape
    year month day quarter week dayofweek isodow dayofyear hour minute second date_part datepart
    date_trunc datetrunc date_diff datediff date_sub datesub last_day make_date
    to_years to_months to_weeks to_days to_hours to_minutes to_seconds
  `),
  /** At most half more than the longest argument: a capital can have three bytes for two. */
  kept: words(`
    lower upper lcase ucase trim ltrim rtrim substring substr left right reverse
    greatest least coalesce nullif
  `),
  /** All arguments together. */
  joined: words('|| concat'),
  /** The first argument as often as the others are long: `replace` of every sign by a text. */
  multiplied: words('replace'),
  /** A text in which two signs stand for at most 64. */
  spelled: words('strftime'),
} as const;

export const FUNCTIONS: ReadonlySet<string> = new Set(
  Object.values(GROWTH).flatMap((names) => [...names]),
);

/** Aggregates; which of them a column may meet is for the judge. */
export const AGGREGATES = words(`
  count_star count sum sum_no_overflow avg min max first any_value
  stddev stddev_samp stddev_pop var_samp var_pop variance bool_and bool_or median corr covar_pop
  covar_samp
`);

/** Window functions; statements with windows count as nested. */
export const WINDOWS = words(`
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
`);

/** Operators of the class BOUND_OPERATOR. */
export const OPERATOR_TYPES: ReadonlySet<string> = new Set([
  'OPERATOR_NOT',
  'OPERATOR_IS_NULL',
  'OPERATOR_IS_NOT_NULL',
  'OPERATOR_COALESCE',
  'OPERATOR_NULLIF',
  'COMPARE_IN',
  'COMPARE_NOT_IN',
]);

/** Types without parameters that values may have anywhere in a plan, beside those of columns. */
export const TYPES: ReadonlySet<string> = new Set([...COLUMN_TYPES, 'HUGEINT', 'INTERVAL', 'NULL']);

const WIDTH: Readonly<Record<string, number>> = {
  TINYINT: 1,
  SMALLINT: 2,
  INTEGER: 3,
  BIGINT: 4,
  HUGEINT: 5,
};
const UNSIGNED: Readonly<Record<string, number>> = {
  UTINYINT: 1,
  USMALLINT: 2,
  UINTEGER: 3,
  UBIGINT: 4,
};

/** True for a cast that loses nothing and cannot fail: a binder adds them by itself. */
export function isWidening(from: string, to: string): boolean {
  if (from === to || (from === 'FLOAT' && to === 'DOUBLE')) return true;
  const target = WIDTH[to];
  const signed = WIDTH[from];
  const unsigned = UNSIGNED[from];
  if (target !== undefined && signed !== undefined) return signed <= target;
  if (target !== undefined && unsigned !== undefined) return unsigned < target;
  const wider = UNSIGNED[to];
  return wider !== undefined && unsigned !== undefined && unsigned <= wider;
}
