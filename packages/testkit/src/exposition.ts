// SPDX-License-Identifier: Apache-2.0
// Reads a page of metrics as a scraper would, by the grammar of the Prometheus text format 0.0.4,
// and throws at the first line that is not in it. For tests of whoever writes such pages.
//
// What it holds besides each line's form: one HELP and one TYPE a family, before its samples; a
// family's lines lie together; no sample twice; no negative counter; a histogram's buckets never
// shrink, and the last, +Inf, is its count.

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ExposedFamily {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

interface Reading {
  help: string | undefined;
  type: string | undefined;
  readonly samples: Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const PAIR = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;
const VALUE = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN)$/i;
const TYPES = new Set(['counter', 'gauge', 'summary', 'histogram', 'untyped']);
const SUFFIX = /_(?:bucket|sum|count)$/;

/** The families of a page, by name. @throws Error what is wrong, and in which line */
export function readExposition(text: string): ReadonlyMap<string, ExposedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, Reading>();
  const closed = new Set<string>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const name = readLine(line, families);
    if (name !== current && closed.has(name)) throw new Error(`'${name}' comes in pieces`);
    if (name !== current) closed.add(current);
    current = name;
  }
  return new Map([...families].map(([name, reading]) => [name, checked(name, reading)]));
}

/** Takes a line in and answers its family. */
function readLine(line: string, families: Map<string, Reading>): string {
  const [, word, about, rest = ''] = COMMENT.exec(line) ?? [];
  if (about !== undefined) {
    const family = families.get(about) ?? { help: undefined, type: undefined, samples: [] };
    families.set(about, family);
    const known = word === 'HELP' ? family.help : family.type;
    if (known !== undefined || family.samples.length > 0) throw new Error(`late or twice: ${line}`);
    if (word === 'HELP') family.help = unescaped(rest);
    else family.type = rest;
    return about;
  }
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (!VALUE.test(value)) throw new Error(`no sample and no comment: ${line}`);
  const owner = families.has(name) ? name : name.replace(SUFFIX, '');
  const family = families.get(owner);
  if (family === undefined) throw new Error(`a sample of no family: ${line}`);
  family.samples.push({ name, labels: readLabels(labels), value: numberOf(value) });
  return owner;
}

function readLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (let rest = text; rest !== ''; ) {
    const [whole, name, value] = PAIR.exec(rest) ?? [];
    if (whole === undefined || name === undefined) throw new Error(`wrong labels: ${rest}`);
    if (labels.has(name)) throw new Error(`label ${name} twice`);
    labels.set(name, unescaped(value ?? ''));
    rest = rest.slice(whole.length);
  }
  return labels;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, after: string) => (after === 'n' ? '\n' : after));
}

function numberOf(text: string): number {
  return Number(text.replace(/inf$/i, 'Infinity'));
}

function checked(name: string, { help, type, samples }: Reading): ExposedFamily {
  if (help === undefined || type === undefined || !TYPES.has(type)) {
    throw new Error(`${name} lacks its help or its type`);
  }
  const seen = new Set<string>();
  for (const sample of samples) {
    const key = JSON.stringify([sample.name, [...sample.labels].sort()]);
    if (seen.has(key)) throw new Error(`twice: ${key}`);
    seen.add(key);
    const parts = type === 'summary' ? /_(?:sum|count)$/ : /_(?:bucket|sum|count)$/;
    const whole = type === 'counter' || type === 'gauge';
    if (whole ? sample.name !== name : !parts.test(sample.name)) {
      throw new Error(`${sample.name} is no part of a ${type}`);
    }
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`${name} is negative`);
  }
  if (type === 'histogram') checkBuckets(name, samples);
  return { help, type, samples };
}

function checkBuckets(name: string, samples: readonly Sample[]): void {
  for (const count of samples.filter((sample) => sample.name === `${name}_count`)) {
    const of = [...count.labels];
    const isOwn = ({ labels }: Sample) => of.every(([label, value]) => labels.get(label) === value);
    const buckets = samples.filter((s) => s.name === `${name}_bucket` && isOwn(s));
    const bounds = buckets.map(({ labels }) => numberOf(labels.get('le') ?? ''));
    const grows = (values: readonly number[]) => values.every((v, i) => v >= (values[i - 1] ?? 0));
    const last = buckets.at(-1);
    const closes = bounds.at(-1) === Number.POSITIVE_INFINITY && last?.value === count.value;
    if (!grows(bounds) || !grows(buckets.map(({ value }) => value)) || !closes) {
      throw new Error(`${name}'s buckets do not add up`);
    }
  }
}
