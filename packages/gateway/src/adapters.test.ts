// SPDX-License-Identifier: Apache-2.0
// Settings of adapters: those that there are open, and any other is refused with the kinds there
// are or with what is wrong in it.
import { isCoded } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { type LedgerAbout, openLedger, openPlanners } from './adapters.ts';
import type { AdapterSetting } from './home.ts';

const about = { held: { size: 0 } } as LedgerAbout;
const refusal = (open: () => unknown): string => {
  try {
    open();
  } catch (error) {
    if (isCoded(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'opened';
};

describe('a setting', () => {
  it('of a known kind opens its adapter', async () => {
    const planners = openPlanners([{ kind: 'duckdb' }]);
    expect([...planners.keys()]).toEqual(['duckdb']);
    await planners.get('duckdb')?.close();
    const ledger = openLedger({ kind: 'log', url: 'http://127.0.0.1:7000' }, about);
    await ledger.close();
  });

  it.each([
    ['ledger', 'fabric', 'there are: log'],
    ['ledger', 'constructor', 'there are: log'],
    ['engine', 'spark', 'there are: duckdb'],
  ])('of the %s is refused when it is of kind %s', (what, kind, kinds) => {
    const open = () => (what === 'ledger' ? openLedger({ kind }, about) : openPlanners([{ kind }]));
    const said = `adapter-unknown: gateway.json: no ${what} is of kind ${kind}; ${kinds}`;
    expect(refusal(open)).toBe(said);
  });

  it('is for a kind that no other setting is for', () => {
    const twice = () => openPlanners([{ kind: 'duckdb' }, { kind: 'duckdb' }]);
    expect(refusal(twice)).toMatch(/^engine-kind-twice: two engines of kind duckdb/);
  });

  it.each([
    [{ kind: 'log' }, 'ledger.url'],
    [{ kind: 'log', url: 'nowhere' }, 'ledger.url'],
    [{ kind: 'log', url: 'http://127.0.0.1:1', more: 1 }, 'ledger '],
  ] as [AdapterSetting, string][])('%j is refused with what is wrong', (setting, where) => {
    const said = refusal(() => openLedger(setting, about));
    expect(said).toContain(`home-malformed: gateway.json: ${where}`);
  });
});
