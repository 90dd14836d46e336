// SPDX-License-Identifier: Apache-2.0
// What runs came to, as this member may read it: the openings in usage records that are sealed to
// it. Each is opened once. What is not for us, or does not hold, is sealed to us.
import { type Measures, type MeasuresOf, openMeasures } from '@cloister/contract';
import { isCoded } from '@cloister/core';
import { hpkeOpen } from '@cloister/threshold/node';
import { type Gateway, historyOf } from '../context.ts';

const NO_AAD = new Uint8Array(0);

/** What the record of this run (hexadecimal id) came to, if it is there and open to us. */
export async function measuresOfRun(gateway: Gateway, run: string): Promise<Measures | undefined> {
  const usage = historyOf(gateway).runs.get(run)?.usage;
  if (usage == null) return undefined;
  const { genesis, crypto, card, keys, measures } = gateway;
  if (!measures.has(usage.event)) {
    const open = (info: Uint8Array, sealed: Uint8Array) =>
      hpkeOpen({ keyPair: keys.hpke, info, aad: NO_AAD, sealed });
    const about = { genesis, said: usage.body, me: card.id, open, crypto };
    const opened = await openMeasures(about).catch((error: unknown) => {
      if (isCoded(error)) return undefined;
      throw error;
    });
    measures.set(usage.event, opened);
  }
  return measures.get(usage.event);
}

/** The same for every recorded run, by the id of its record. */
export async function measuresOfAll(gateway: Gateway): Promise<MeasuresOf> {
  for (const run of historyOf(gateway).runs.keys()) await measuresOfRun(gateway, run);
  return (usage) => gateway.measures.get(usage);
}
