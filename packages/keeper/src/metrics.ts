// SPDX-License-Identifier: Apache-2.0
// Counters and gauges in the Prometheus text format (version 0.0.4), written by hand because a
// keeper's closure stays small. Names and labels are fixed here or come from stable codes.

const HELP: Readonly<Record<string, readonly ['counter' | 'gauge', string]>> = {
  cloister_keeper_challenges_total: ['counter', 'Challenges drawn.'],
  cloister_keeper_opens_total: ['counter', 'Requests answered with partial openings.'],
  cloister_keeper_columns_total: ['counter', 'Partial openings given.'],
  cloister_keeper_refusals_total: ['counter', 'Requests refused, by code.'],
  cloister_keeper_requests_total: ['counter', 'HTTP requests, by path and status.'],
  cloister_keeper_ledger_size: [
    'gauge',
    'Events verified against cosigned checkpoints and folded.',
  ],
  cloister_keeper_holding: ['gauge', '1 while a share of the active epoch is held.'],
};

export class Metrics {
  readonly #values = new Map<string, Map<string, number>>();

  /** Adds one, or `by`, to a counter. */
  count(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const series = this.#series(name);
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  set(name: string, value: number): void {
    this.#series(name).set('', value);
  }

  text(): string {
    const lines: string[] = [];
    for (const [name, [type, help]] of Object.entries(HELP)) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      const series = this.#values.get(name) ?? new Map([['', 0]]);
      for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }

  #series(name: string): Map<string, number> {
    const series = this.#values.get(name) ?? new Map<string, number>();
    this.#values.set(name, series);
    return series;
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[^A-Za-z0-9_./:-]/g, '_')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
