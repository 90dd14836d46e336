// SPDX-License-Identifier: Apache-2.0
// Reading JSON from outside: bounded size and depth, and typed access whose failures are coded.
import { fromUtf8 } from '@cloister/core';
import type { EvidenceErrorCode } from './errors.ts';
import { evidenceError } from './errors.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const MAX_JSON_BYTES = 2 * 1024 * 1024;
const MAX_JSON_DEPTH = 32;

/** Parses UTF-8 JSON of at most 2 MiB and 32 levels. @throws CodedError with `code` */
export function parseJson(bytes: Uint8Array, code: EvidenceErrorCode): Json {
  if (bytes.length > MAX_JSON_BYTES) throw evidenceError(code, 'JSON is larger than 2 MiB');
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) throw evidenceError(code, 'JSON is nested too deeply');
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  try {
    return JSON.parse(fromUtf8(bytes)) as Json;
  } catch (cause) {
    throw evidenceError(code, 'not JSON text', { cause });
  }
}

/** Typed access to a parsed value; every miss is a CodedError with the code it was made with. */
export class JsonView {
  readonly value: Json;
  readonly #code: EvidenceErrorCode;
  readonly #path: string;

  constructor(value: Json, code: EvidenceErrorCode, path = '') {
    this.value = value;
    this.#code = code;
    this.#path = path;
  }

  #bad(wanted: string): Error {
    return evidenceError(this.#code, `JSON ${this.#path || 'value'} is not ${wanted}`);
  }

  #object(): { [key: string]: Json } {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#bad('an object');
    }
    return value;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object(), name);
  }

  get(name: string): JsonView {
    const object = this.#object();
    const path = `${this.#path}.${name}`;
    if (!Object.hasOwn(object, name)) throw evidenceError(this.#code, `JSON lacks ${path}`);
    return new JsonView(object[name] as Json, this.#code, path);
  }

  /** Member names of an object, at most `limit`. */
  names(limit: number): string[] {
    const names = Object.keys(this.#object());
    if (names.length > limit) throw this.#bad(`an object of at most ${limit} members`);
    return names;
  }

  list(limit: number): JsonView[] {
    const { value } = this;
    if (!Array.isArray(value) || value.length > limit) {
      throw this.#bad(`a list of at most ${limit}`);
    }
    return value.map((v, i) => new JsonView(v, this.#code, `${this.#path}[${i}]`));
  }

  text(pattern?: RegExp): string {
    const { value } = this;
    if (typeof value !== 'string' || (pattern !== undefined && !pattern.test(value))) {
      throw this.#bad(`text${pattern === undefined ? '' : ` like ${pattern.source}`}`);
    }
    return value;
  }

  /** An integer from 0 to `limit`. */
  number(limit: number): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
      throw this.#bad(`an integer from 0 to ${limit}`);
    }
    return value;
  }

  /** RFC 3339 in UTC, as milliseconds. */
  time(): number {
    const text = this.text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
    const ms = Date.parse(text);
    if (Number.isNaN(ms)) throw this.#bad('a time');
    return ms;
  }
}
