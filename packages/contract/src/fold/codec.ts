// SPDX-License-Identifier: Apache-2.0
// Values to CBOR and back by a schema that is written once: what encodes decodes to an equal value,
// and what decodes is nothing but what the schema says. Records are maps with every field in them,
// so a field that is added to a type and not to its schema does not compile.
import type { Cbor } from '@cloister/core';
import { contractError } from '../errors.ts';

export interface Codec<T> {
  encode(value: T): Cbor;
  /** `at` names the place, for who reads the error. @throws CodedError `state-malformed` */
  decode(value: Cbor, at: string): T;
}

export const bytes: Codec<Uint8Array> = plain(
  (value): value is Uint8Array => value instanceof Uint8Array,
  'bytes',
);
export const text: Codec<string> = plain((value) => typeof value === 'string', 'text');
export const flag: Codec<boolean> = plain((value) => typeof value === 'boolean', 'true or false');
export const whole: Codec<number> = plain(
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
  'a whole number',
);

/** One of these words. */
export function choice<const W extends string>(...words: readonly W[]): Codec<W> {
  const known: ReadonlySet<unknown> = new Set(words);
  return plain((value): value is W => known.has(value), `one of ${words.join(', ')}`);
}

export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    encode: (value) => (value === null ? null : inner.encode(value)),
    decode: (value, at) => (value === null ? null : inner.decode(value, at)),
  };
}

export function list<T>(inner: Codec<T>): Codec<T[]> {
  return {
    encode: (values) => values.map(inner.encode),
    decode: (value, at) => {
      if (!Array.isArray(value)) throw wanted('a list', at);
      return value.map((one: Cbor, i) => inner.decode(one, `${at}[${i}]`));
    },
  };
}

/** A set of words, ascending. */
export function setOf(inner: Codec<string>): Codec<Set<string>> {
  const many = list(inner);
  return {
    encode: (values) => many.encode([...values].sort()),
    decode: (value, at) => {
      const words = many.decode(value, at);
      if (words.some((word, i) => i > 0 && word <= (words[i - 1] as string))) {
        throw wanted('ascending words, each once', at);
      }
      return new Set(words);
    },
  };
}

/** A table by name. */
export function mapOf<T>(inner: Codec<T>): Codec<Map<string, T>> {
  return tableOf(text, inner);
}

/** A table by number. */
export function numbered<T>(inner: Codec<T>): Codec<Map<number, T>> {
  return tableOf(whole, inner);
}

/** An object with exactly these fields. */
export function record<T>(fields: { readonly [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  const known = Object.entries(fields) as [string, Codec<unknown>][];
  return {
    encode: (value) => {
      const of = value as Record<string, unknown>;
      return new Map(known.map(([name, codec]) => [name, codec.encode(of[name])]));
    },
    decode: (value, at) => {
      if (!(value instanceof Map) || value.size !== known.length) {
        throw wanted(`the fields ${known.map(([name]) => name).join(', ')}`, at);
      }
      const read = known.map(([name, codec]) => {
        if (!value.has(name)) throw wanted(`a field ${name}`, at);
        return [name, codec.decode(value.get(name) as Cbor, `${at}.${name}`)];
      });
      return Object.fromEntries(read) as T;
    },
  };
}

function tableOf<K extends string | number, T>(key: Codec<K>, inner: Codec<T>): Codec<Map<K, T>> {
  return {
    encode: (table) => new Map([...table].map(([name, value]) => [name, inner.encode(value)])),
    decode: (value, at) => {
      if (!(value instanceof Map)) throw wanted('a table', at);
      return new Map(
        [...(value as ReadonlyMap<Cbor, Cbor>)].map(([name, one]) => {
          const read = key.decode(name, at);
          return [read, inner.decode(one, `${at}.${read}`)];
        }),
      );
    },
  };
}

function plain<T extends Cbor>(is: (value: Cbor) => value is T, what: string): Codec<T>;
function plain<T extends Cbor>(is: (value: Cbor) => boolean, what: string): Codec<T>;
function plain<T extends Cbor>(is: (value: Cbor) => boolean, what: string): Codec<T> {
  return {
    encode: (value) => value,
    decode: (value, at) => {
      if (!is(value)) throw wanted(what, at);
      return value as T;
    },
  };
}

function wanted(what: string, at: string) {
  return contractError('state-malformed', `these bytes are no state: at ${at} wanted ${what}`);
}
