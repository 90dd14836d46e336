// SPDX-License-Identifier: Apache-2.0
// Results as their recipients get them: encodings that come back whole, hostile bytes with one
// code, AAD prefixes and infos that bind what they name, padding within its promise.
import { encodeCbor } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  datasetAadPrefix,
  decodeKeyBundle,
  decodeResultKeys,
  encodeKeyBundle,
  encodeResultKeys,
  paddedLength,
  type ResultKeys,
  resultAadPrefix,
  resultKeysInfo,
} from './result-keys.ts';

const key = new Uint8Array(32).fill(7);
const KEYS: ResultKeys = {
  files: [
    {
      statement: 0,
      lengths: [4_711, 12],
      columns: [
        { id: 0, name: '', key },
        { id: 2, name: 'mean', key: key.slice().fill(9) },
      ],
    },
    { statement: 3, lengths: [5], columns: [] },
  ],
};
const code = 'result-malformed';
const codes = /^(result-malformed|cbor-(malformed|not-deterministic))$/;
const anyCode = { code: expect.stringMatching(codes) };

describe('result keys', () => {
  it('come back as they were', () => {
    expect(decodeResultKeys(encodeResultKeys(KEYS))).toEqual(KEYS);
  });

  const column = { id: 1, name: 'a', key };
  const file = { statement: 0, lengths: [5], columns: [column] };
  const { lengths: _, ...noLength } = file;
  const { statement: __, ...noStatement } = file;
  const { columns: ___, ...noColumns } = file;
  const withColumn = (change: object) => ({ ...file, columns: [{ ...column, ...change }] });
  const wrongFiles: Record<string, unknown[]> = {
    'no file': [],
    'no length': [noLength],
    'no statement': [noStatement],
    'no columns': [noColumns],
    'a negative statement': [{ ...file, statement: -1 }],
    'a statement twice': [file, file],
    'statements out of order': [{ ...file, statement: 1 }, file],
    'no parts': [{ ...file, lengths: [] }],
    'a length of zero': [{ ...file, lengths: [5, 0] }],
    'a negative length': [{ ...file, lengths: [-1] }],
    'a length that is text': [{ ...file, lengths: ['5'] }],
    'a short key': [withColumn({ key: key.slice(1) })],
    'a key that is text': [withColumn({ key: 'k' })],
    'a negative id': [withColumn({ id: -1 })],
    'a name too long': [withColumn({ name: 'x'.repeat(1_001) })],
    'an unknown field in a file': [{ ...file, more: 1 }],
    'an unknown field in a column': [withColumn({ more: 1 })],
  };
  const wrong: Record<string, unknown> = {
    'an unknown field': { files: [file], more: 1 },
    'an array': [[file]],
    ...Object.fromEntries(Object.entries(wrongFiles).map(([what, files]) => [what, { files }])),
  };
  for (const [what, value] of Object.entries(wrong)) {
    it(`refuse ${what}`, () => {
      const bytes = encodeCbor(value as Parameters<typeof encodeCbor>[0]);
      expect(() => decodeResultKeys(bytes)).toThrow(expect.objectContaining({ code }));
    });
  }

  it('refuse any truncation, and never fail with something uncoded', () => {
    const bytes = encodeResultKeys(KEYS);
    for (let end = 0; end < bytes.length; end++) {
      const cut = () => decodeResultKeys(bytes.slice(0, end));
      expect(cut).toThrow(expect.objectContaining(anyCode));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(() => decodeResultKeys(junk)).toThrow(expect.objectContaining(anyCode));
        expect(() => decodeKeyBundle(junk)).toThrow(expect.objectContaining(anyCode));
      }),
    );
  });
});

describe('a key bundle', () => {
  it('comes back as it was, whatever order it was made in', () => {
    const sealed = new Map([
      ['hospital', new Uint8Array(80).fill(2)],
      ['bank', new Uint8Array(90).fill(1)],
    ]);
    const bytes = encodeKeyBundle(sealed);
    expect(decodeKeyBundle(bytes)).toEqual(sealed);
    expect(encodeKeyBundle(new Map([...sealed].reverse()))).toEqual(bytes);
  });

  const entry = ['bank', new Uint8Array(80)];
  const wrong: Record<string, unknown> = {
    'another version': [2, [entry]],
    'no members': [1, []],
    'a member that is no id': [1, [['Not A Member', new Uint8Array(80)]]],
    'sealed keys that are text': [1, [['bank', 'x']]],
    'an entry too long': [1, [[...entry, 1]]],
    'a member twice': [1, [entry, entry]],
    'no list': [1, 'bank'],
    'something more': [1, [entry], 0],
  };
  for (const [what, value] of Object.entries(wrong)) {
    it(`refuses ${what}`, () => {
      const bytes = encodeCbor(value as Parameters<typeof encodeCbor>[0]);
      expect(() => decodeKeyBundle(bytes)).toThrow(expect.objectContaining({ code }));
    });
  }
});

describe('prefixes and infos', () => {
  it('differ in each thing that they bind', () => {
    const [a, b, c] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const about = { genesis: a, task: a, run: a, member: 'bank' };
    const result = { genesis: a, task: a, run: a, statement: 0, part: 0 };
    const dataset = { genesis: a, dataset: a, version: 1, file: 0 };
    const all = [
      resultAadPrefix(result),
      resultAadPrefix({ ...result, genesis: b }),
      resultAadPrefix({ ...result, task: b }),
      resultAadPrefix({ ...result, run: b }),
      resultAadPrefix({ ...result, statement: 1 }),
      resultAadPrefix({ ...result, part: 1 }),
      resultKeysInfo(about),
      resultKeysInfo({ ...about, genesis: b }),
      resultKeysInfo({ ...about, task: c }),
      resultKeysInfo({ ...about, run: c }),
      resultKeysInfo({ ...about, member: 'insurer' }),
      datasetAadPrefix(dataset),
      datasetAadPrefix({ ...dataset, genesis: b }),
      datasetAadPrefix({ ...dataset, dataset: b }),
      datasetAadPrefix({ ...dataset, version: 2 }),
      datasetAadPrefix({ ...dataset, file: 1 }),
    ].map((bytes) => Buffer.from(bytes).toString('hex'));
    expect(new Set(all).size).toBe(all.length);
  });
});

describe('padding', () => {
  it('is never shorter, at most 12 % longer, monotone, and its own padding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (length) => {
        const padded = paddedLength(length);
        expect(Number.isSafeInteger(padded)).toBe(true);
        expect(padded).toBeGreaterThanOrEqual(length);
        if (length >= 2) expect(padded).toBeLessThanOrEqual(length * 1.12);
        expect(paddedLength(length + 1)).toBeGreaterThanOrEqual(padded);
        expect(paddedLength(padded)).toBe(padded);
      }),
      { numRuns: 2_000 },
    );
    for (let length = 0; length < 3_000; length++) {
      expect(paddedLength(length)).toBeGreaterThanOrEqual(length);
      expect(paddedLength(length + 1)).toBeGreaterThanOrEqual(paddedLength(length));
    }
  });

  it('leaves few sizes to tell apart: O(log log) bits of a length', () => {
    const sizes = new Set<number>();
    for (let length = 2 ** 20; length < 2 ** 21; length += 511) sizes.add(paddedLength(length));
    expect(sizes.size).toBeLessThanOrEqual(33);
  });
});
