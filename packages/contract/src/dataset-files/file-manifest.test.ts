// SPDX-License-Identifier: Apache-2.0
// Lists of files: ten thousand come back as they were, and what is not the event's list is refused,
// whatever the bytes.
import { type Cbor, encodeCbor, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { namedBytes } from '@cloister/testkit/world';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DatasetFile,
  encodeFileManifest,
  FILES_MAX,
  filesSaid,
  readFileManifest,
} from './file-manifest.ts';

const fileAt = (i: number): DatasetFile => ({
  blob: namedBytes('file', `${i}/blob`),
  length: i + 1,
  root: namedBytes('file', `${i}/root`),
  leaves: namedBytes('file', `${i}/leaves`),
});
const FILES = [0, 1, 2].map(fileAt);
const bytes = encodeFileManifest(FILES);
const said = filesSaid(FILES, nodeCrypto.digest('sha256', bytes));

const MALFORMED = /^(file-manifest-malformed|cbor-(malformed|not-deterministic))$/;

const codeOf = (given: Uint8Array, about = said): string => {
  try {
    readFileManifest(given, about);
    return 'read';
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  }
};

describe('a list of files', () => {
  it('of ten thousand comes back as it was', () => {
    const many = Array.from({ length: FILES_MAX }, (_, i) => fileAt(i));
    const long = encodeFileManifest(many);
    const about = filesSaid(many, new Uint8Array(32));
    expect(about).toMatchObject({ count: 10_000, length: (10_000 * 10_001) / 2 });
    expect(readFileManifest(long, about)).toEqual(many);
    const more = [...many, fileAt(FILES_MAX)];
    const longer = encodeFileManifest(more);
    expect(codeOf(longer, filesSaid(more, said.manifest))).toBe('file-manifest-malformed');
  });

  it.each([
    ['a file too few', FILES.slice(1)],
    ['a file more', [...FILES, fileAt(3)]],
    ['no file', []],
    ['one file of that length', [fileAt(5)]],
    ['another length', [{ ...fileAt(0), length: 9 }, ...FILES.slice(1)]],
  ])('with %s is not the event’s', (_what, files) => {
    expect(codeOf(encodeFileManifest(files))).toBe('file-manifest-differs');
  });

  it('with a file twice is refused, whatever the event says', () => {
    const twice = [fileAt(0), fileAt(1), { ...fileAt(2), blob: fileAt(0).blob }];
    const about = filesSaid(twice, said.manifest);
    expect(codeOf(encodeFileManifest(twice), about)).toBe('file-manifest-malformed');
  });

  const entry = [fileAt(0).blob, 1, fileAt(0).root, fileAt(0).leaves];
  const wrong: Record<string, unknown> = {
    'another version': [2, [entry]],
    'no entries': [1],
    'something more': [1, [entry], 0],
    'entries that are a map': [1, { a: 1 }],
    'an entry that is no list': [1, [7]],
    'an entry too short': [1, [entry.slice(1)]],
    'an entry too long': [1, [[...entry, 1]]],
    'a digest too short': [1, [[entry[0], 1, entry[2], new Uint8Array(31)]]],
    'a root too short': [1, [[entry[0], 1, new Uint8Array(31), entry[3]]]],
    'a blob too short': [1, [[new Uint8Array(31), 1, entry[2], entry[3]]]],
    'a digest that is text': [1, [['a', 1, entry[2], entry[3]]]],
    'a length of nothing': [1, [[entry[0], 0, entry[2], entry[3]]]],
    'a length below nothing': [1, [[entry[0], -1, entry[2], entry[3]]]],
    'a length that is broken': [1, [[entry[0], 1.5, entry[2], entry[3]]]],
    'a length past all numbers': [1, [[entry[0], 2n ** 60n, entry[2], entry[3]]]],
    'a map': { files: [entry] },
    nothing: null,
  };
  it.each(Object.entries(wrong))('with %s is malformed', (_what, value) => {
    expect(codeOf(encodeCbor(value as Cbor))).toBe('file-manifest-malformed');
  });

  it('cut short, longer, or of any bytes is refused with a code', () => {
    for (let end = 0; end < bytes.length; end++) {
      expect(codeOf(bytes.slice(0, end))).toMatch(MALFORMED);
    }
    expect(codeOf(new Uint8Array([...bytes, 0]))).toMatch(MALFORMED);
    expect(codeOf(new Uint8Array(2_000_000))).toBe('file-manifest-malformed');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (junk) => {
        expect(codeOf(junk)).toMatch(MALFORMED);
      }),
    );
  });
});
