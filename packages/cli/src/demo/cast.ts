// SPDX-License-Identifier: Apache-2.0
// Who plays in the demo: three members, each also an operator of one keeper, each keeper on another
// make of simulated hardware; their data, their policies and the question that the insurer asks.
import type { MachineMake } from '../hardware.ts';

export type MemberId = 'insurer' | 'hospital' | 'bank';

export interface Role {
  readonly id: MemberId;
  readonly name: string;
  /** The make of the keeper that this member operates, if nothing else is said. */
  readonly keeper: MachineMake;
  readonly dataset: string;
  readonly policy: unknown;
  /** Price of a run, in millionths of a euro. */
  readonly run: number;
  readonly row: number;
}

export const PURPOSE = 'risk-research';
/** The make of the worker, which the bank operates. */
export const WORKER_MAKE: MachineMake = 'sgx';

const base = {
  for: 'any',
  purpose: [PURPOSE],
  code: 'any',
  k: 20,
  approvals: 1,
  limits: { runs: 5, days: 30 },
};

export const CAST: readonly Role[] = [
  {
    id: 'insurer',
    name: 'Harbour Insurance',
    keeper: 'sgx',
    dataset: 'policies',
    policy: {
      ...base,
      columns: {
        person: { rule: 'subject' },
        region: { rule: 'aggregate', functions: [], groupings: ['region'] },
        claims: { rule: 'aggregate', functions: ['SUM', 'AVG'] },
      },
    },
    run: 500_000,
    row: 10,
  },
  {
    id: 'hospital',
    name: 'Valley Hospital Group',
    keeper: 'snp',
    dataset: 'patients',
    policy: {
      ...base,
      columns: {
        person: { rule: 'subject' },
        age: { rule: 'aggregate', functions: ['AVG'], groupings: ['age // 20 * 20'] },
        smoker: { rule: 'aggregate', functions: [], groupings: ['smoker'] },
        diagnosis: { rule: 'hidden' },
        nights: { rule: 'aggregate', functions: ['SUM', 'AVG'] },
      },
    },
    run: 1_000_000,
    row: 25,
  },
  {
    id: 'bank',
    name: 'First Meridian Bank',
    keeper: 'optee',
    dataset: 'accounts',
    policy: {
      ...base,
      columns: {
        person: { rule: 'subject' },
        income: { rule: 'aggregate', functions: ['AVG'] },
        'missed.payments': { rule: 'aggregate', functions: ['AVG'] },
      },
    },
    run: 750_000,
    row: 20,
  },
];

export const QUESTION = `SELECT
  h.age // 20 * 20 AS age_from,
  h.smoker,
  count(*) AS people,
  avg(i.claims) AS mean_claims,
  avg(b.income) AS mean_income
FROM patients h
JOIN policies i ON i.person = h.person
JOIN accounts b ON b.person = h.person
GROUP BY h.age // 20 * 20, h.smoker
ORDER BY age_from, h.smoker
`;

/** Asks for what the hospital hides. */
export const HIDDEN_QUESTION = QUESTION.replaceAll('h.smoker', 'h.diagnosis');

export const INPUTS: Readonly<Record<string, string>> = {
  patients: 'hospital/patients',
  policies: 'insurer/policies',
  accounts: 'bank/accounts',
};
