// SPDX-License-Identifier: Apache-2.0
// Codes: a text comes back and has the digest that people compute; files are read, bounded, and
// run by nobody; paths lead nowhere but below their own folder.
import { type Cbor, encodeCbor, isCoded, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODE_FILES_MAX, codeDigestOf, decodeCode, encodeCode, textOf } from './code.ts';

const digest = new Uint8Array(32).fill(7);
const fileAt = (path: string) => ({ path, digest, length: 5 });
const FILES = { files: ['lib/a.js', 'main.js'].map(fileAt), entry: 'main.js' };

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'read';
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  }
};
const decoded = (value: unknown) => codeOf(() => decodeCode(encodeCbor(value as Cbor)));

describe('a code', () => {
  it('that is a text comes back, under the digest of the text', () => {
    const code = { text: 'SELECT 1' };
    expect(decodeCode(encodeCode(code))).toEqual(code);
    expect(textOf(encodeCode(code))).toBe('SELECT 1');
    const sum = Buffer.from(nodeCrypto.digest('sha256', utf8('SELECT 1'))).toString('hex');
    expect(codeDigestOf(code, nodeCrypto)).toBe(sum);
  });

  it('that is files comes back, has a digest that no text has, and is no text to run', () => {
    const bytes = encodeCode(FILES);
    expect(decodeCode(bytes)).toEqual(FILES);
    expect(codeOf(() => textOf(bytes))).toBe('code-in-files');
    // What is hashed begins as no UTF-8 does.
    expect(codeOf(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes))).not.toBe('read');
    const other = { ...FILES, entry: 'lib/a.js' };
    expect(codeDigestOf(other, nodeCrypto)).not.toBe(codeDigestOf(FILES, nodeCrypto));
  });

  it.each([
    '/etc/passwd',
    '../main.js',
    'lib/../main.js',
    './main.js',
    'lib//main.js',
    'lib/',
    '',
    '.',
    'a\\b',
    'C:',
    'a b',
    'a\u0000b',
    'ä',
    'x'.repeat(101),
    `${'a/'.repeat(200)}a`,
  ])('of a file called %j is refused', (path) => {
    expect(decoded({ files: [fileAt(path)], entry: path })).toBe('task-openings-malformed');
  });

  const many = Array.from({ length: CODE_FILES_MAX + 1 }, (_, i) => fileAt(`f${i + 10_000}`));
  const wrong: Record<string, unknown> = {
    'neither form': {},
    'both forms': { ...FILES, text: 'SELECT 1' },
    'no text': { text: '' },
    'a text that is bytes': { text: utf8('SELECT 1') },
    'a text too long': { text: 'x'.repeat(1_000_001) },
    'something more': { text: 'SELECT 1', more: 1 },
    'no files': { files: [], entry: 'main.js' },
    'too many files': { files: many, entry: 'f10000' },
    'no entry': { files: FILES.files },
    'an entry that is not there': { ...FILES, entry: 'other.js' },
    'a path twice': { files: [fileAt('a'), fileAt('a')], entry: 'a' },
    'a path twice but for case': { files: [fileAt('A'), fileAt('a')], entry: 'a' },
    'a file where another has a folder': { files: [fileAt('A'), fileAt('a/b')], entry: 'A' },
    'paths out of order': { files: [fileAt('b'), fileAt('a')], entry: 'a' },
    'a file without a length': { files: [{ ...fileAt('a'), length: 0 }], entry: 'a' },
    'a short digest': { files: [{ ...fileAt('a'), digest: digest.slice(1) }], entry: 'a' },
    'a list': ['SELECT 1'],
  };
  it.each(Object.entries(wrong))('with %s is malformed', (_what, value) => {
    expect(decoded(value)).toBe('task-openings-malformed');
  });

  it('of any bytes has a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(codeOf(() => textOf(junk))).toMatch(/^(task-openings-malformed|cbor-.*)$/);
      }),
    );
  });
});
