// SPDX-License-Identifier: Apache-2.0
// The launcher's duties without a process of their own, for tests and simulations: the same quotes,
// the same judgement of joins. Not for products: node and hardware share a memory here.
import type { Attester } from './attester.ts';
import { type Duties, launcherHandlers } from './launcher-duties.ts';

/** An attester whose launcher is in this process. */
export function inProcessAttester(duties: Duties): Attester {
  const handlers = launcherHandlers(duties);
  const { tee, reportDataLength, hardware, measurement } = duties.hardware;
  return {
    tee,
    reportDataLength,
    hardware,
    measurement,
    quote: async (data) => ({ evidence: (await handlers.quote(data)) as Uint8Array }),
    signJoin: async (join) => (await handlers['sign-join'](join)) as Uint8Array,
  };
}
