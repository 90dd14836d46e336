// SPDX-License-Identifier: Apache-2.0
// What a worker counts, as Prometheus text (exposition format 0.0.4): runs by outcome, seconds by
// phase. Numbers about runs only: nothing here comes from data.
const MAX_OUTCOMES = 100;

export class Metrics {
  readonly #runs = new Map<string, number>();
  readonly #seconds = new Map<string, { seconds: number; count: number }>();

  /** A run ended: `released`, or the code of its failure. */
  countRun(outcome: string): void {
    const known = this.#runs.has(outcome) || this.#runs.size < MAX_OUTCOMES;
    const label = known && /^[a-z0-9-]{1,64}$/.test(outcome) ? outcome : 'other';
    this.#runs.set(label, (this.#runs.get(label) ?? 0) + 1);
  }

  addPhase(phase: string, milliseconds: number): void {
    const { seconds, count } = this.#seconds.get(phase) ?? { seconds: 0, count: 0 };
    this.#seconds.set(phase, { seconds: seconds + milliseconds / 1_000, count: count + 1 });
  }

  /** The whole page; `gauges` by name. */
  text(gauges: Readonly<Record<string, number>>): string {
    const lines = ['# TYPE cloister_worker_runs_total counter'];
    for (const [outcome, count] of this.#runs) {
      lines.push(`cloister_worker_runs_total{outcome="${outcome}"} ${count}`);
    }
    lines.push('# TYPE cloister_worker_phase_seconds summary');
    for (const [phase, { seconds, count }] of this.#seconds) {
      lines.push(`cloister_worker_phase_seconds_sum{phase="${phase}"} ${seconds.toFixed(4)}`);
      lines.push(`cloister_worker_phase_seconds_count{phase="${phase}"} ${count}`);
    }
    for (const [name, value] of Object.entries(gauges)) {
      lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
