// SPDX-License-Identifier: Apache-2.0
// The last word of a test run: skipped tests counted by reason, then `N passed, N failed, N
// skipped` alone on a line. A skip nobody sees is a defect, so each carries its reason as a tag in
// its own name, its suite's or its skip note: `[skip: tool]`, `[skip: shared]`,
// `[skip: external-node]`.
// Invariants: an untagged skip fails the run; with CI=true a `tool` skip fails it too; a file that
// cannot be loaded and an error outside any test count as failures.
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

export const SKIP_REASONS = ['tool', 'shared', 'external-node'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** The reason tagged in a test's full name or note, if there is a known one. */
export function skipReason(text: string): SkipReason | undefined {
  const tag = /\[skip: ([a-z-]+)\]/.exec(text)?.[1];
  return SKIP_REASONS.find((reason) => reason === tag);
}

/** What one run came to. `untagged` and `byReason` hold full test names. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  readonly untagged: string[];
  readonly byReason: Map<SkipReason, string[]>;
  /** Seconds by file, of what was loaded and run. */
  readonly seconds: Map<string, number>;
}

/** Files named as the slowest, when so many ran that one asks where the minutes went. */
const SLOWEST = 5;

/** The lines to print last, and whether skips alone make the run fail. */
export function closing(tally: Tally, ci: boolean): { lines: string[]; fails: boolean } {
  const lines: string[] = [];
  if (tally.seconds.size > 2 * SLOWEST) lines.push(`slowest: ${slowest(tally.seconds)}`);
  for (const [reason, names] of tally.byReason) {
    lines.push(`skipped for want of ${reason}: ${names.length}`);
    for (const name of new Set(names.map((n) => n.split(' > ').slice(0, 2).join(' > ')))) {
      lines.push(`  ${name}`);
    }
  }
  if (tally.untagged.length > 0) {
    lines.push('skipped without a reason tag, which fails the run (see CONTRIBUTING.md):');
    for (const name of tally.untagged) lines.push(`  ${name}`);
  }
  const missingTools = tally.byReason.get('tool')?.length ?? 0;
  if (ci && missingTools > 0) lines.push('CI=true: every tool must be there, so this run fails');
  lines.push(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  return { lines, fails: tally.untagged.length > 0 || (ci && missingTools > 0) };
}

function slowest(seconds: ReadonlyMap<string, number>): string {
  const sorted = [...seconds].sort((a, b) => b[1] - a[1]).slice(0, SLOWEST);
  return sorted.map(([file, s]) => `${file.split('/').at(-1)} ${s.toFixed(0)} s`).join(', ');
}

/** Vitest's hook: registered after the default reporter, so that it prints last. */
export default class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tally: Tally = {
      passed: 0,
      failed: unhandledErrors.length,
      skipped: 0,
      untagged: [],
      byReason: new Map(),
      seconds: new Map(),
    };
    for (const module of modules) {
      tally.failed += module.errors().length;
      const { collectDuration, duration } = module.diagnostic();
      tally.seconds.set(module.relativeModuleId, (collectDuration + duration) / 1000);
      for (const test of module.children.allTests()) count(tally, module, test);
      for (const suite of module.children.allSuites()) tally.failed += suite.errors().length;
    }
    const { lines, fails } = closing(tally, process.env['CI'] === 'true');
    if (fails || tally.failed > 0) process.exitCode = 1;
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
}

function count(tally: Tally, module: TestModule, test: TestCase): void {
  const result = test.result();
  if (result.state === 'passed') tally.passed += 1;
  else if (result.state === 'skipped') {
    tally.skipped += 1;
    const name = `${module.relativeModuleId} > ${test.fullName}`;
    const reason = skipReason(`${name} ${result.note ?? ''}`);
    if (reason === undefined) tally.untagged.push(name);
    else tally.byReason.set(reason, [...(tally.byReason.get(reason) ?? []), name]);
  } else tally.failed += 1;
}
