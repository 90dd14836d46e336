// SPDX-License-Identifier: Apache-2.0
// What the demo says while it runs: a line a step for people, or JSON lines with --json whose last
// one is the summary.

export interface Report {
  /** Runs one named step and tells how long it took; the step may say what came of it. */
  step<T>(
    name: string,
    title: string,
    work: () => Promise<T>,
    came?: (value: T) => string,
  ): Promise<T>;
  say(line: string): void;
  /** The closing summary: text for people, JSON for machines. */
  close(summary: Readonly<Record<string, unknown>>, lines: readonly string[]): void;
  /** Milliseconds by step. */
  readonly timings: Readonly<Record<string, number>>;
}

const DIM = '\u001b[2m';
const BOLD = '\u001b[1m';
const PLAIN = '\u001b[0m';

export function createReport(options: { json: boolean; colour: boolean }): Report {
  const timings: Record<string, number> = {};
  const paint = (code: string, text: string) => (options.colour ? `${code}${text}${PLAIN}` : text);
  const line = (text: string) => process.stdout.write(`${text}\n`);
  return {
    timings,
    async step(name, title, work, came) {
      if (options.json) line(JSON.stringify({ event: 'step', name, title }));
      else if (options.colour) process.stdout.write(`  … ${title}`);
      const started = performance.now();
      const value = await work();
      timings[name] = Math.round(performance.now() - started);
      const note = came?.(value);
      if (options.json) line(JSON.stringify({ event: 'done', name, ms: timings[name], note }));
      else {
        const took = paint(DIM, `${(timings[name] / 1000).toFixed(1)} s`);
        const begin = options.colour ? '\r' : '';
        line(`${begin}  ✓ ${title}${note === undefined ? '' : `: ${note}`}  ${took}`);
      }
      return value;
    },
    say(text) {
      if (options.json) line(JSON.stringify({ event: 'note', text }));
      else line(paint(BOLD, text));
    },
    close(summary, lines) {
      if (options.json) line(JSON.stringify({ event: 'summary', ...summary }));
      else for (const text of lines) line(text);
    },
  };
}
