// SPDX-License-Identifier: Apache-2.0
// What a process counts, in the Prometheus text format (exposition format 0.0.4: each family's HELP
// and TYPE, then its samples). Written by hand: keeper, worker and gateway count alike, and a
// keeper's closure stays small.
//
// Invariants: families, their help and their labels are declared before anything is counted; a
// family has at most MOST_SERIES sets of label values, what comes after counts as `other`; labels
// are routes and codes, never ids, so metrics tell nothing that the ledger does not.

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const MOST_SERIES = 500;
const LONGEST_VALUE = 100;
const OTHER = 'other';

/** One family: what its name stands for. Times are in seconds, as the format's users expect. */
export interface Family {
  readonly type: 'counter' | 'gauge' | 'summary' | 'histogram';
  readonly help: string;
  /** Names of its labels; none where absent. */
  readonly labels?: readonly string[];
  /** A histogram's upper bounds, growing. */
  readonly buckets?: readonly number[];
}

type LabelsOf<F extends Family> = F['labels'] extends readonly (infer L extends string)[]
  ? Readonly<Record<L, string>>
  : Readonly<Record<never, string>>;

interface Series {
  readonly values: readonly string[];
  /** A counter's or a gauge's value; of observations their sum. */
  sum: number;
  observed: number;
  /** Observations at or under each bound. */
  readonly under: number[];
}

export class Metrics<const F extends Readonly<Record<string, Family>>> {
  readonly #families: F;
  readonly #series = new Map<string, Map<string, Series>>();

  constructor(families: F) {
    this.#families = families;
    for (const [name, { labels = [] }] of Object.entries(families)) {
      this.#series.set(name, new Map());
      if (labels.length === 0) this.#at(name, {});
    }
  }

  /** Adds one, or `by`, to a counter. */
  count<N extends keyof F & string>(name: N, labels: LabelsOf<F[N]>, by = 1): void {
    this.#at(name, labels).sum += by;
  }

  /** Sets a gauge. */
  set<N extends keyof F & string>(name: N, labels: LabelsOf<F[N]>, value: number): void {
    this.#at(name, labels).sum = value;
  }

  /** Adds an observation to a summary or a histogram. */
  observe<N extends keyof F & string>(name: N, labels: LabelsOf<F[N]>, value: number): void {
    const series = this.#at(name, labels);
    series.sum += value;
    series.observed += 1;
    for (const [i, bound] of (this.#families[name]?.buckets ?? []).entries()) {
      if (value <= bound) series.under[i] = (series.under[i] ?? 0) + 1;
    }
  }

  /** The whole page, to be served as METRICS_TYPE. */
  text(): string {
    const lines: string[] = [];
    for (const [name, family] of Object.entries(this.#families)) {
      const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${family.type}`);
      for (const series of this.#series.get(name)?.values() ?? []) {
        lines.push(...samples(name, family, series));
      }
    }
    return `${lines.join('\n')}\n`;
  }

  #at(name: string, given: Readonly<Record<string, string>>): Series {
    const family = this.#families[name] as Family;
    const all = this.#series.get(name) as Map<string, Series>;
    const { labels = [], buckets = [] } = family;
    const wanted = labels.map((label) => (given[label] ?? '').slice(0, LONGEST_VALUE));
    const full = all.size >= MOST_SERIES && !all.has(JSON.stringify(wanted));
    const values = full ? labels.map(() => OTHER) : wanted;
    const key = JSON.stringify(values);
    const series = all.get(key) ?? { values, sum: 0, observed: 0, under: buckets.map(() => 0) };
    all.set(key, series);
    return series;
  }
}

function samples(name: string, family: Family, series: Series): string[] {
  const { type, labels = [], buckets = [] } = family;
  const own = labels.map((label, i): Pair => [label, series.values[i] as string]);
  const { sum, observed } = series;
  if (type === 'counter' || type === 'gauge') return [sample(name, own, sum)];
  const totals = [sample(`${name}_sum`, own, sum), sample(`${name}_count`, own, observed)];
  if (type === 'summary') return totals;
  const bounds = [...buckets.map(number), '+Inf'];
  const under = [...series.under, observed];
  const counted = bounds.map((bound, i) => {
    return sample(`${name}_bucket`, [...own, ['le', bound]], under[i] as number);
  });
  return [...counted, ...totals];
}

type Pair = readonly [label: string, value: string];

function sample(name: string, labels: readonly Pair[], value: number): string {
  const pairs = labels.map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** As Go's ParseFloat reads it. */
function number(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
