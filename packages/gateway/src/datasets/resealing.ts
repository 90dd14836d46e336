// SPDX-License-Identifier: Apache-2.0
// Who still has to seal what to the active key, and whether they answer.
import type { Resealing } from '@cloister/api';
import { isCoded } from '@cloister/core';
import type { Gateway } from '../context.ts';
import { verifiedGroupKey } from '../keepers/key-check.ts';
import { listDatasets } from './datasets.ts';

const PEER_MS = 3_000;

/** Which datasets are sealed to the active key, by owner; who of those that wait answers. */
export async function resealing(gateway: Gateway): Promise<Resealing> {
  const datasets = (await listDatasets(gateway)).filter(({ retired }) => !retired);
  const owners = [...new Set(datasets.map(({ owner }) => owner))];
  return Promise.all(
    owners.map(async (owner) => {
      const own = datasets.filter((dataset) => dataset.owner === owner);
      const waiting = own.filter((dataset) => dataset.groupKey !== 'current');
      const mine = owner === gateway.card.id;
      return {
        owner,
        sealed: own.length - waiting.length,
        waiting: waiting.map(({ dataset, version, name }) => ({ dataset, version, name })),
        answers: mine || (await answers(gateway, owner)),
        fault: mine && waiting.length > 0 ? await whyNotSealed(gateway) : null,
      };
    }),
  );
}

async function answers(gateway: Gateway, member: string): Promise<boolean> {
  const peer = gateway.peers.get(member);
  if (peer === undefined) return false;
  let cancel = () => {};
  const gone = new Promise<false>((resolve) => {
    cancel = gateway.timers.after(PEER_MS, () => resolve(false));
  });
  const health = peer.health().then(
    ({ ok, name }) => ok && name === member,
    () => false,
  );
  return Promise.race([health, gone]).finally(cancel);
}

async function whyNotSealed(gateway: Gateway) {
  try {
    await verifiedGroupKey(gateway);
    return null;
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { code: error.code, sentence: error.message };
  }
}
