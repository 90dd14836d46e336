// SPDX-License-Identifier: Apache-2.0
// Helpers of this package's tests: a seeded generator and a committee that ran a key generation.
// Test files import it; nothing else does.
import { createHash } from 'node:crypto';
import type { Random } from '@cloister/core';
import { encodeLabel, type Label } from '../src/label.ts';
import { combineDeals, createDealing, type Dealing } from '../src/node/dealing.ts';
import type { KeyShare } from '../src/node/share.ts';
import { type Reveal, verifyReveal } from '../src/reveal.ts';

/** A deterministic generator: SHA-256 of the seed and a counter. */
export function seeded(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) {
        const block = createHash('sha256').update(`${seed}/${counter++}`).digest();
        out.set(block.subarray(0, Math.min(32, length - at)), at);
      }
      return out;
    },
  };
}

export function filled(byte: number, length = 32): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(byte);
}

export const GENESIS = filled(0xa1);
export const EPOCH = filled(0xe1);

/** The code of the CodedError that `f` throws, or 'no error'. */
export function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return (error as { code?: string }).code ?? `not coded: ${String(error)}`;
  }
  return 'no error';
}

export async function codeOfAsync(f: () => Promise<unknown>): Promise<string> {
  try {
    await f();
  } catch (error) {
    return (error as { code?: string }).code ?? `not coded: ${String(error)}`;
  }
  return 'no error';
}

export interface Committee {
  readonly reveals: readonly Reveal[];
  readonly dealings: readonly Dealing[];
  readonly shares: readonly KeyShare[];
  readonly groupKey: Uint8Array;
}

/** A key generation without transport: everyone honest, deals handed over in clear. */
export function committee(args: {
  n: number;
  t: number;
  seed?: string;
  genesis?: Uint8Array;
  epoch?: Uint8Array;
}): Committee {
  const { n, t } = args;
  const genesis = args.genesis ?? GENESIS;
  const epoch = args.epoch ?? EPOCH;
  const random = seeded(args.seed ?? 'committee');
  const dealings = seats(n).map((seat) => createDealing({ genesis, epoch, seat, n, t, random }));
  const reveals = dealings.map(({ reveal, commit }, i) =>
    verifyReveal({ genesis, epoch, seat: i + 1, t, reveal, commit }),
  );
  const shares = seats(n).map((seat) =>
    combineDeals({ seat, n, reveals, deals: dealsTo(seat, dealings) }),
  );
  return { reveals, dealings, shares, groupKey: (shares[0] as KeyShare).groupKey };
}

export function seats(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1);
}

/** The deals to one seat, `dealers[i]` being the dealer of `dealings[i]`. */
export function dealsTo(
  seat: number,
  dealings: readonly Dealing[],
  dealers: readonly number[] = seats(dealings.length),
) {
  return dealings.map((d, i) => ({
    dealer: dealers[i] as number,
    deal: Uint8Array.from(d.deals.find((x) => x.seat === seat)?.deal ?? []),
  }));
}

export function labelOf(
  groupKey: Uint8Array,
  change: Partial<Label> = {},
): Uint8Array<ArrayBuffer> {
  const dataset = filled(0xd1, 16);
  const policy = filled(0xb1);
  const label = {
    genesis: GENESIS,
    groupKey,
    owner: 'bank',
    dataset,
    version: 1,
    column: 3,
    policy,
  };
  return encodeLabel({ ...label, ...change });
}
