// SPDX-License-Identifier: Apache-2.0
// Metrics as a scraper reads them: the format's grammar, what was counted, bounds, escaping.
import { readExposition } from '@cloister/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

function metrics() {
  return new Metrics({
    runs_total: { type: 'counter', help: 'Runs.', labels: ['outcome'] },
    opened_total: { type: 'counter', help: 'Opened.' },
    entries: { type: 'gauge', help: 'Entries \\ of the "ledger"\nthat were folded.' },
    phase_seconds: { type: 'summary', help: 'Phases.', labels: ['phase'] },
    request_seconds: {
      type: 'histogram',
      help: 'Requests.',
      labels: ['route'],
      buckets: [0.1, 1, 10],
    },
  });
}

function read(text: string, name: string, labels: Readonly<Record<string, string>> = {}) {
  const all = [...readExposition(text).values()].flatMap(({ samples }) => samples);
  const wanted = JSON.stringify(Object.entries(labels));
  return all.find((s) => s.name === name && JSON.stringify([...s.labels]) === wanted)?.value;
}

describe('metrics', () => {
  it('say every family before anything was counted, and zero of what has no labels', () => {
    const families = readExposition(metrics().text());
    expect([...families].map(([name, { type }]) => `${name} ${type}`)).toEqual([
      'runs_total counter',
      'opened_total counter',
      'entries gauge',
      'phase_seconds summary',
      'request_seconds histogram',
    ]);
    expect(families.get('entries')?.help).toBe('Entries \\ of the "ledger"\nthat were folded.');
    expect(families.get('opened_total')?.samples.map(({ value }) => value)).toEqual([0]);
    expect(families.get('runs_total')?.samples).toEqual([]);
  });

  it('add up', () => {
    const all = metrics();
    all.count('opened_total', {});
    all.count('opened_total', {}, 5);
    all.count('runs_total', { outcome: 'released' });
    all.set('entries', {}, 7);
    all.set('entries', {}, 3.5);
    for (const seconds of [0.5, 1.25]) all.observe('phase_seconds', { phase: 'keys' }, seconds);
    for (const seconds of [0.05, 0.1, 5, 50]) {
      all.observe('request_seconds', { route: '/' }, seconds);
    }
    const text = all.text();
    expect(read(text, 'opened_total')).toBe(6);
    expect(read(text, 'runs_total', { outcome: 'released' })).toBe(1);
    expect(read(text, 'entries')).toBe(3.5);
    expect(read(text, 'phase_seconds_sum', { phase: 'keys' })).toBe(1.75);
    expect(read(text, 'phase_seconds_count', { phase: 'keys' })).toBe(2);
    const under = ['0.1', '1', '10', '+Inf'].map((le) => {
      return read(text, 'request_seconds_bucket', { route: '/', le });
    });
    expect(under).toEqual([2, 2, 3, 4]);
    expect(read(text, 'request_seconds_sum', { route: '/' })).toBeCloseTo(55.15);
  });

  it('keep every label value what it was, whatever is in it', () => {
    const anything = fc.string({ unit: 'grapheme', maxLength: 40 });
    const awkward = fc.string({ unit: fc.constantFrom('\\', '"', '\n', 'n', '}', ',', ' ') });
    fc.assert(
      fc.property(fc.oneof(anything, awkward), (outcome) => {
        const all = metrics();
        all.count('runs_total', { outcome });
        expect(read(all.text(), 'runs_total', { outcome })).toBe(1);
      }),
    );
  });

  it('write numbers that a scraper reads', () => {
    for (const value of [0, -1.5, 1e21, 1e-7, Number.POSITIVE_INFINITY, Number.NaN]) {
      const all = metrics();
      all.set('entries', {}, value);
      expect(read(all.text(), 'entries')).toBe(value);
    }
  });

  it('stay bounded: what comes too late counts as other', () => {
    const all = metrics();
    for (let i = 0; i < 10_000; i++) all.count('runs_total', { outcome: `code-${i}` });
    const samples = readExposition(all.text()).get('runs_total')?.samples ?? [];
    expect(samples.length).toBeLessThanOrEqual(501);
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(10_000);
    expect(read(all.text(), 'runs_total', { outcome: 'other' })).toBe(9_500);
    all.count('runs_total', { outcome: 'code-1' });
    expect(read(all.text(), 'runs_total', { outcome: 'code-1' })).toBe(2);
    all.count('runs_total', { outcome: 'x'.repeat(1_000_000) });
    expect(all.text().length).toBeLessThan(100_000);
  });
});

describe('the reader of these tests', () => {
  it.each([
    ['no end of line', '# HELP a b\n# TYPE a gauge\na 1'],
    ['no family', 'a 1\n'],
    ['a type that is none', '# HELP a b\n# TYPE a number\na 1\n'],
    ['a type after its samples', '# HELP a b\n# TYPE a gauge\na 1\n# TYPE a gauge\n'],
    ['a family in pieces', '# HELP a b\n# TYPE a gauge\n# HELP b b\n# TYPE b gauge\na 1\n'],
    ['a sample twice', '# HELP a b\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n'],
    ['a quote that is not escaped', '# HELP a b\n# TYPE a gauge\na{x="1"2"} 1\n'],
    ['no number', '# HELP a b\n# TYPE a gauge\na one\n'],
    ['a negative counter', '# HELP a b\n# TYPE a counter\na -1\n'],
    ['a bare summary', '# HELP a b\n# TYPE a summary\na 1\n'],
    ['buckets without their end', '# HELP a b\n# TYPE a histogram\na_sum 1\na_count 1\n'],
  ])('refuses %s', (_what, text) => {
    expect(() => readExposition(text)).toThrow();
  });
});
