// SPDX-License-Identifier: Apache-2.0
// What a run came to, for those whom it concerns: rows and bytes out, milliseconds, memory. Exact
// numbers tell of the data (how many rows a join gave, how long a group took), so the ledger has a
// salted commitment to them and each one's power of two; the opening stands in the record itself,
// sealed to the input owners, the proposer and the recipients, so that nobody can keep it back.
// All of it has one length, whatever the numbers are. spec/events.md, "Measures".
import type { CryptoPort, Random } from '@cloister/core';
import { contractError } from '../errors.ts';
import type { EventBody } from '../events/bodies.ts';
import { commitTo } from './commitment.ts';
import {
  checkOpenings,
  type OpenMine,
  openOpenings,
  type SealTo,
  sealOpenings,
} from './members.ts';

/** `rowsOut` and `bytesOut` were counted inside the TEE; a host can influence the other two. */
export interface Measures {
  readonly rowsOut: number;
  readonly bytesOut: number;
  readonly milliseconds: number;
  readonly peakMemoryBytes: number;
}

/** In the order in which they are encoded. */
export const MEASURES = ['rowsOut', 'bytesOut', 'milliseconds', 'peakMemoryBytes'] as const;

/** What a usage record says of its measures. */
export type MeasuresSaid = Pick<EventBody<'usage'>, 'measures' | 'classes' | 'openings'>;

/** The power of two that `value` is below: 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7... */
export function classOf(value: number): number {
  return value.toString(2).length - (value === 0 ? 1 : 0);
}

export function classesOf(measures: Measures): Record<keyof Measures, number> {
  const pairs = MEASURES.map((name) => [name, classOf(measures[name])]);
  return Object.fromEntries(pairs) as Record<keyof Measures, number>;
}

/** 64 bits each, most significant first. */
export function encodeMeasures(measures: Measures): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(8 * MEASURES.length));
  for (const [at, name] of MEASURES.entries()) view.setBigUint64(8 * at, BigInt(measures[name]));
  return new Uint8Array(view.buffer);
}

/** @throws CodedError `measures-malformed` */
export function decodeMeasures(bytes: Uint8Array): Measures {
  const numbers: number[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; at += 8) numbers.push(Number(view.getBigUint64(at)));
  if (bytes.length !== 8 * MEASURES.length || !numbers.every(Number.isSafeInteger)) {
    const message = `the measures of a run are ${bytes.length} bytes, wanted four numbers of 8`;
    throw contractError('measures-malformed', message);
  }
  return Object.fromEntries(MEASURES.map((name, at) => [name, numbers[at]])) as unknown as Measures;
}

/** What a record says: commitment, classes, and the opening sealed to `recipients`. */
export async function sealMeasures(args: {
  genesis: Uint8Array;
  measures: Measures;
  recipients: readonly { readonly id: string; readonly hpke: Uint8Array }[];
  seal: SealTo;
  crypto: CryptoPort;
  random: Random;
}): Promise<MeasuresSaid> {
  const { genesis, measures, recipients, seal } = args;
  const { commitment, opening } = commitTo(encodeMeasures(measures), args);
  const openings = await sealOpenings({
    genesis,
    openings: { measures: opening },
    recipients,
    seal,
  });
  return { measures: commitment, classes: classesOf(measures), openings };
}

/**
 * What `me` reads in a record.
 * @throws CodedError `openings-not-for-me`, `opening-mismatch`, `measures-malformed`,
 * `measures-differ` where the classes in clear are not theirs, and those of `openOpenings`
 */
export async function openMeasures(args: {
  genesis: Uint8Array;
  said: MeasuresSaid;
  me: string;
  open: OpenMine;
  crypto: CryptoPort;
}): Promise<Measures> {
  const { genesis, said, me, open, crypto } = args;
  const openings = await openOpenings({ genesis, blob: said.openings, me, open });
  const { measures: value } = checkOpenings(openings, { measures: said.measures }, crypto);
  const measures = decodeMeasures(value);
  const classes = classesOf(measures);
  if (MEASURES.every((name) => classes[name] === said.classes[name])) return measures;
  const message = 'the measures of a run are in other classes than its record says';
  throw contractError('measures-differ', message);
}
