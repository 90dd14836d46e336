// SPDX-License-Identifier: Apache-2.0
// Memory of pieces: lent again after reading and sending have both ended, in any order, and not
// before; only so much is kept.
import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { PieceMemory } from './piece-memory.ts';

function lend(memories: PieceMemory) {
  const response = new EventEmitter();
  let settle = { read: (): void => undefined, fail: (): void => undefined };
  let memory = new Uint8Array(0);
  const reading = memories.lend(response, (lent) => {
    memory = lent;
    return new Promise((resolve, reject) => {
      settle = { read: () => resolve(lent), fail: () => reject(new Error('cut')) };
    });
  });
  reading.catch(() => undefined);
  return { memory, reading, close: () => response.emit('close'), ...settle };
}

it('serves again when it has been read into and sent', async () => {
  const memories = new PieceMemory(10);
  const first = lend(memories);
  expect(first.memory).toHaveLength(10);
  first.read();
  expect(await first.reading).toBe(first.memory);
  const second = lend(memories);
  expect(second.memory).not.toBe(first.memory);
  first.close();
  await turn();
  expect(lend(memories).memory).toBe(first.memory);
});

it.each(['read', 'fail'] as const)(
  'does not while it is read into, the answer closed: %s',
  async (end) => {
    const memories = new PieceMemory(10);
    const first = lend(memories);
    first.close();
    await turn();
    expect(lend(memories).memory).not.toBe(first.memory);
    first[end]();
    await turn();
    expect(lend(memories).memory).toBe(first.memory);
  },
);

it('is kept for a few', async () => {
  const memories = new PieceMemory(1);
  const many = Array.from({ length: 20 }, () => lend(memories));
  for (const { read, close } of many) {
    read();
    close();
  }
  await turn();
  const again = new Set(Array.from({ length: 20 }, () => lend(memories).memory));
  expect(many.filter(({ memory }) => again.has(memory))).toHaveLength(8);
});
