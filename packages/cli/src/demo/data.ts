// SPDX-License-Identifier: Apache-2.0
// Synthetic data from a seed: people who may be insured, patients and account holders at once.
// Every number is made up here; the file names say so. The same seed gives the same bytes.

/** Three CSV files, by member id. */
export interface DemoData {
  readonly insurer: string;
  readonly hospital: string;
  readonly bank: string;
}

const PEOPLE = 6_000;
const REGIONS = ['north', 'south', 'east', 'west'];
const DIAGNOSES = ['none', 'asthma', 'diabetes', 'heart', 'injury'];

/** About 6,000 people, most of them known to two or three of the organisations. */
export function syntheticData(seed: number): DemoData {
  const random = mulberry32(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  const insurer = ['person,region,premium,claims'];
  const hospital = ['person,age,smoker,diagnosis,nights'];
  const bank = ['person,income,"missed.payments"'];
  for (let person = 1; person <= PEOPLE; person++) {
    const age = 18 + Math.floor(random() * 73);
    const smoker = random() < 0.24;
    const premium = 300 + Math.floor(random() * 900) + age * 4;
    const claims = Math.floor(random() * random() * 9_000 * (smoker ? 1.7 : 1) * (age / 50));
    const income = 14_000 + Math.floor(random() * 60_000);
    if (random() < 0.8) insurer.push(`${person},${pick(REGIONS)},${premium},${claims}`);
    if (random() < 0.7) {
      const nights = Math.floor(random() * random() * 20);
      hospital.push(`${person},${age},${smoker},${pick(DIAGNOSES)},${nights}`);
    }
    if (random() < 0.75) bank.push(`${person},${income},${Math.floor(random() * random() * 7)}`);
  }
  const text = (lines: string[]) => `${lines.join('\n')}\n`;
  return { insurer: text(insurer), hospital: text(hospital), bank: text(bank) };
}

/** A small seeded generator (mulberry32): for made-up data only. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
