// SPDX-License-Identifier: Apache-2.0
// What a run of many seeds adds up to: merged over processes, printed at the end.
import type { Report } from './simulate.ts';

/** Kinds of fault besides the attacks; all must occur in a run that is long enough. */
export const KINDS: readonly string[] = [
  'delay',
  'loss',
  'duplication',
  'reordering',
  'partition',
  'blob-unavailable',
  'gateway-crash',
  'gateway-restart',
  'keeper-crash',
  'keeper-restart',
  'worker-crash',
  'unreleased',
  'wrong-deals',
  'wrong-partials',
  'wrong-receipts',
  'silence',
  'equivocation',
  'no-proof',
  'other-constant',
  'other-ack',
  'mismatched-keeper',
  'lying-witness',
  'frozen-time',
  'forked-ledger',
  'altered-entries',
  'usage-dropped',
  'receipt-altered',
  'reshare',
  'key-given-up',
  'sealed-again',
  'dropped: join',
  'dropped: usage',
  'stale-head-shown',
  'adversary: tick',
  'adversary: withholds-deals',
  'adversary: withholds-evidence',
  'adversary: epoch',
  'adversary: floods-blobs',
  'adversary: hangs-blobs',
  'adversary: loses-blobs',
  'adversary: impersonates',
  'adversary: answers-slowly',
  'adversary: consent',
  'spare-seated',
  'spare-comes-again',
  'spare-waits',
  'charter-amended',
  'witnesses-rotated',
  'adversary: squatted keys',
];

export interface Counts {
  readonly seeds: number;
  readonly messages: number;
  /** Fewest messages of a seed. */
  readonly least: number;
  readonly openings: number;
  readonly violations: number;
  readonly faults: Readonly<Record<string, number>>;
}

export const NOTHING: Counts = {
  seeds: 0,
  messages: 0,
  least: Number.MAX_SAFE_INTEGER,
  openings: 0,
  violations: 0,
  faults: {},
};

export function countsOf(report: Report): Counts {
  const { messages, openings } = report;
  const violations = report.violations.length > 0 ? 1 : 0;
  const faults = Object.fromEntries(report.faults);
  return { seeds: 1, messages, least: messages, openings, violations, faults };
}

export function add(a: Counts, b: Counts): Counts {
  const faults: Record<string, number> = { ...a.faults };
  for (const [kind, n] of Object.entries(b.faults)) faults[kind] = (faults[kind] ?? 0) + n;
  return {
    seeds: a.seeds + b.seeds,
    messages: a.messages + b.messages,
    least: Math.min(a.least, b.least),
    openings: a.openings + b.openings,
    violations: a.violations + b.violations,
    faults,
  };
}

/** One line a kind, and a last line with the sums. */
export function lines(counts: Counts, kinds: readonly string[]): string[] {
  const names = [...new Set([...kinds, ...Object.keys(counts.faults)])].sort();
  const { seeds, messages, least, openings, violations } = counts;
  const each = seeds === 0 ? 0 : least;
  const verdict = violations === 0 ? 'no violation' : `${violations} seeds with VIOLATIONS`;
  return [
    ...names.map((kind) => `  ${kind}: ${counts.faults[kind] ?? 0}`),
    `${seeds} seeds, ${messages} messages, at least ${each} each, ${openings} openings, ${verdict}`,
  ];
}
