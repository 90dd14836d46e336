// SPDX-License-Identifier: Apache-2.0
// How a text file is read: one object, by which our own reader and the engine read, each by code of
// its own.
import type { Dialect as Said } from '@cloister/api';

/** What the owner said; the rest is found. */
export type { Said };
export type Encoding = NonNullable<Said['encoding']>;

type Whole = { readonly [P in Exclude<keyof Said, 'decimal'>]-?: Exclude<Said[P], undefined> };

/** All of it. */
export interface Dialect extends Whole {
  /** Null where nothing shows which it is. */
  readonly decimal: NonNullable<Said['decimal']> | null;
}

/** What is taken where neither the owner nor the data say otherwise. */
export const PLAIN: Dialect = {
  delimiter: ',',
  quote: '"',
  header: true,
  null: [],
  encoding: 'utf-8',
  decimal: '.',
  thousands: null,
  dateFormat: [],
  zone: null,
};
