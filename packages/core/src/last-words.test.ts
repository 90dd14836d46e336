// SPDX-License-Identifier: Apache-2.0
// What is kept of what a process said, and which line of it is told.
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { LastWords } from './last-words.ts';

function hear(...pieces: string[]) {
  const stream = new PassThrough();
  const words = new LastWords(stream);
  for (const piece of pieces) stream.write(piece);
  return { stream, words };
}

test('of much that is said the beginning and the end are kept, at most 2 kB', async () => {
  const { stream, words } = hear('first\n', 'x'.repeat(100_000), '\nlast');
  stream.end();
  await words.ended(1_000);
  expect(words.text.startsWith('first\nxxx')).toBe(true);
  expect(words.text.endsWith('xxx\nlast')).toBe(true);
  expect(words.text.length).toBe(2048 + '\n...\n'.length);
  expect(words.sentence).toBe('last');
});

test('the sentence is the first line that tells of a failure', async () => {
  const { stream, words } = hear(
    'at a.js:1\nthrow new Error(why)\n\nTypeError: no',
    't found\n    at b\n\nNode.js v24.0.0\n',
  );
  stream.end();
  await words.ended(1_000);
  expect(words.sentence).toBe('TypeError: not found');
});

test('after forget nothing is kept, and the stream still flows', async () => {
  const { stream, words } = hear('before');
  await new Promise(setImmediate);
  words.forget();
  for (let n = 0; n < 100; n += 1) stream.write('a value'.repeat(1_000));
  stream.end();
  await words.ended(1_000);
  expect(stream.readableEnded).toBe(true);
  expect(words.text).toBe('');
  expect(words.sentence).toBeUndefined();
});

test('a process that keeps its stderr open is not waited for', async () => {
  const { words } = hear('said');
  await words.ended(20);
  expect(words.text).toBe('said');
});
