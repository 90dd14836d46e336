// SPDX-License-Identifier: Apache-2.0
// Waiting for the ledger to have something, by a node's own fold of entries under cosigned heads.
import { contractError, type Follower } from '@cloister/contract';
import { isCoded } from '@cloister/core';
import { type PatienceBounds, patiently } from './patience.ts';

/**
 * Follows until `there` answers true. A gateway that lies now may be passed over the next time, so
 * all that following meets is tried again.
 * @throws CodedError `ledger-unreachable` with what was met last as its cause; `timed-out`;
 * `node-stopping`
 */
export async function followUntil(
  what: string,
  follower: Pick<Follower, 'step'>,
  bounds: PatienceBounds & { readonly waitMs?: number },
  there: () => boolean,
): Promise<void> {
  await patiently(what, bounds, async () => {
    try {
      await follower.step(bounds.waitMs);
    } catch (cause) {
      if (!isCoded(cause)) throw cause;
      const message = `gave up waiting for ${what}: ${cause.message}`;
      throw contractError('ledger-unreachable', message, { cause });
    }
    return there() ? true : undefined;
  });
}
