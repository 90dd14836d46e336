// SPDX-License-Identifier: Apache-2.0
// Evidence that is elsewhere is waited for a moment, once for all that is late; what is here is
// appraised however long that takes; who was told that it is late hears when it has come.
import type { AppraisedState, JoinAppraisal } from '@cloister/contract';
import { isCoded, type Timers, toHex } from '@cloister/core';
import { expect, it } from 'vitest';
import { PromptAppraiser } from './prompt-appraiser.ts';

const digest = (join: string) => new Uint8Array(32).fill(join.charCodeAt(0));
const joins = new Map(['a', 'b', 'c'].map((key) => [key, { body: { evidence: digest(key) } }]));
const state = { joins } as unknown as AppraisedState;
const good = { ok: true } as JoinAppraisal;

/** Evidence of `here` is on this disk; the others' comes when `release` is called with the join. */
function stage(here: readonly string[]) {
  const waits: number[] = [];
  const timers: Timers = {
    elapsed: () => 0,
    after: (ms, wake) => {
      waits.push(ms);
      setImmediate(wake);
      return () => undefined;
    },
  };
  const releases = new Map<string, () => void>();
  const asked: string[] = [];
  const came: number[] = [];
  const appraise = async (_: AppraisedState, key: string) => {
    asked.push(key);
    if (!here.includes(key)) await new Promise<void>((resolve) => releases.set(key, resolve));
    return good;
  };
  const blobs = {
    head: async (of: Uint8Array) =>
      here.some((k) => toHex(digest(k)) === toHex(of)) ? 1 : undefined,
  };
  const parts = { appraiser: { appraise }, blobs, timers } as never;
  const prompt = new PromptAppraiser(parts, () => came.push(1));
  const late = (key: string) =>
    prompt.appraise(state, key).then(
      () => false,
      (error: unknown) => isCoded(error, 'blob-not-found'),
    );
  return { late, waits, asked, came, releases };
}

it('waits once for what is late, and not at all for what is here', async () => {
  const { late, waits, asked } = stage(['c']);
  expect(await late('c')).toBe(false);
  expect(waits).toEqual([]);
  expect(await late('a')).toBe(true);
  expect(await late('b')).toBe(true);
  expect(await late('a')).toBe(true);
  expect(waits).toEqual([2_000, 0]);
  expect(asked).toEqual(['c', 'a', 'b']);
});

it('tells when what was late has come', async () => {
  const { late, came, releases } = stage([]);
  expect(await late('a')).toBe(true);
  expect(came).toEqual([]);
  releases.get('a')?.();
  await new Promise((resolve) => setImmediate(resolve));
  expect(came).toEqual([1]);
});
