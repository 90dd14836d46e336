// SPDX-License-Identifier: Apache-2.0
// The vendor rule: for every set of v-1 root families taken together, and for every operator, the
// seats are at most t-1. So v-1 broken vendors, or one operator, hold too few shares to open
// anything. A seat whose evidence rests on two makers (a paravisor) names both, `amd+microsoft`,
// and counts under each. With v = 1 only the operator rule holds; with t = 1 one share is the key,
// no rule can hold, and a charter with v > 1 is refused. Design, "Key sharing".

export interface Seat {
  readonly operator: string;
  /** Root family of the seat's environment; several are joined by `+`. */
  readonly family: string;
}

export interface VendorRule {
  readonly threshold: number;
  readonly vendors: number;
}

/** What one operator, or a set of v-1 root families, holds beside the most that it may. */
export interface Holding {
  /** The rule that it breaks when `seats` is above `most`. */
  readonly code: 'vendor-rule' | 'operator-rule';
  readonly who: readonly string[];
  readonly seats: number;
  readonly most: number;
}

/** Above this many families the exact search gives way to a bound that can only be stricter. */
const EXACT_FAMILIES = 16;

export function familiesOf(family: string): string[] {
  return [...new Set(family.split('+'))];
}

/**
 * The numbers that the rule compares: every operator's seats, then those of the v-1 root families
 * that together hold most. Empty with t = 1, where no rule can hold.
 */
export function vendorHoldings(seats: readonly Seat[], rule: VendorRule): Holding[] {
  if (rule.threshold <= 1) return [];
  const most = rule.threshold - 1;
  const operators = [...countBy(seats.map((s) => [s.operator]))].map(([operator, held]) => {
    return { code: 'operator-rule' as const, who: [operator], seats: held, most };
  });
  if (rule.vendors <= 1 || seats.length === 0) return operators;
  const perSeat = seats.map((s) => familiesOf(s.family));
  const families = [...countBy(perSeat)].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const size = Math.min(rule.vendors - 1, families.length);
  const names = families.map(([name]) => name);
  const worst =
    families.length > EXACT_FAMILIES || perSeat.every((f) => f.length === 1)
      ? { who: names.slice(0, size), seats: sum(families.slice(0, size).map(([, n]) => n)) }
      : worstSet(perSeat, families, size);
  return [...operators, { code: 'vendor-rule', ...worst, most }];
}

/** The first breach of the rule by these seats, or undefined. */
export function vendorBreach(seats: readonly Seat[], rule: VendorRule): Holding | undefined {
  return vendorHoldings(seats, rule).find((holding) => holding.seats > holding.most);
}

/**
 * The most seats that `families` root families and `operators` operators could fill without a
 * breach. A necessary condition: which operator has which hardware is not looked at.
 */
export function mostSeats(rule: VendorRule, families: number, operators: number): number {
  if (rule.threshold <= 1) return Number.POSITIVE_INFINITY;
  const most = rule.threshold - 1;
  const byOperator = operators * most;
  if (rule.vendors <= 1) return byOperator;
  const together = rule.vendors - 1;
  if (families <= together) return Math.min(byOperator, most);
  const each = Math.floor(most / together);
  return Math.min(byOperator, families * each + (most % together));
}

/**
 * The set of `size` families that covers the most seats. Tries every one that could still be the
 * worst: families come with most seats first, and what those that follow hold is the most that
 * they can add. Seats of the same families are one line, with their number.
 */
function worstSet(
  perSeat: readonly (readonly string[])[],
  families: readonly (readonly [string, number])[],
  size: number,
): { who: string[]; seats: number } {
  const place = new Map(families.map(([name], i) => [name, 1 << i]));
  const lines = [...countBy(perSeat.map((names) => [names.join('+')]))].map(([names, seats]) => {
    const mask = names.split('+').reduce((all, name) => all | (place.get(name) ?? 0), 0);
    return { mask, seats };
  });
  const holding = (chosen: number) =>
    sum(lines.map(({ mask, seats }) => ((mask & chosen) === 0 ? 0 : seats)));
  let worst = { chosen: 0, seats: 0 };
  const visit = (from: number, chosen: number, left: number): void => {
    const seats = holding(chosen);
    if (seats > worst.seats) worst = { chosen, seats };
    const most = sum(families.slice(from, from + left).map(([, n]) => n));
    if (left === 0 || seats + most <= worst.seats) return;
    for (let i = from; i < families.length; i++) visit(i + 1, chosen | (1 << i), left - 1);
  };
  visit(0, 0, size);
  const who = families.map(([name]) => name).filter((_, i) => (worst.chosen & (1 << i)) !== 0);
  return { who, seats: worst.seats };
}

function countBy(groups: readonly (readonly string[])[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of groups.flat()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
