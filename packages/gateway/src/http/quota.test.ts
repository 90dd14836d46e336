// SPDX-License-Identifier: Apache-2.0
// Quotas: a burst, then the average; each signer its own; the wait that is told is the one needed.
import { isCoded } from '@cloister/core';
import { expect, it } from 'vitest';
import { codeOf } from '../../testing/federation.ts';
import { SignerQuota, WaitingRoom } from './quota.ts';

function refusal(act: () => void): number | undefined {
  try {
    act();
  } catch (error) {
    if (!isCoded(error, 'gateway-quota-exceeded')) throw error;
    return error.details['retryAfterMs'] as number;
  }
  return undefined;
}

it('takes a burst, then as much as the average brings back', () => {
  let now = 1_000;
  const limits = { what: 'bytes', burst: 100, perSecond: 10 };
  const quota = new SignerQuota(limits, { now: () => now });
  expect(refusal(() => quota.take('a', 60))).toBeUndefined();
  expect(refusal(() => quota.take('a', 60))).toBe(2_000);
  expect(refusal(() => quota.take('b', 100))).toBeUndefined();
  now += 1_999;
  expect(refusal(() => quota.take('a', 60))).toBe(1);
  now += 1;
  expect(refusal(() => quota.take('a', 60))).toBeUndefined();
  now += 1_000_000;
  expect(refusal(() => quota.take('a', 101))).toBeDefined();
  now -= 500_000;
  expect(refusal(() => quota.take('a', 100))).toBeUndefined();
  expect(refusal(() => quota.take('a', 1))).toBeDefined();
});

it('seats as many as there are seats, and frees a seat whatever happens', async () => {
  const room = new WaitingRoom(1);
  let leave: (error: Error) => void = () => undefined;
  const held = room.wait(
    () =>
      new Promise((_, reject) => {
        leave = reject;
      }),
  );
  expect(await codeOf(room.wait(async () => 1))).toBe('gateway-overloaded');
  leave(new Error('gone'));
  await held.catch(() => undefined);
  expect(await room.wait(async () => 1)).toBe(1);
});
