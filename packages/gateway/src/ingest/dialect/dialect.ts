// SPDX-License-Identifier: Apache-2.0
// How a text file is read: one object, by which our own reader and the engine read, each by code of
// its own.
import type { Dialect as Said, TakenDialect } from '@cloister/api';

/** What the owner said; the rest is found. */
export type { Said };
/** All of it. */
export type Dialect = TakenDialect;
export type Encoding = Dialect['encoding'];

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
