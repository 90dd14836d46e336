// SPDX-License-Identifier: Apache-2.0
// Gateways as a follower meets them: the heads that they show, signed by whom a test says.
import { systemTimers, type Timers } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { World } from '@cloister/testkit/world';
import {
  cosign,
  formatCheckpoint,
  formatNote,
  logOrigin,
  MerkleTree,
  type NoteSignature,
} from '@cloister/tlog';
import { type CheckpointedPeer, CheckpointFollower } from '../src/reading/checkpoint-follower.ts';

/** A signed note of the first `size` entries, by these witnesses' keys. */
export async function note(
  of: World,
  size: number,
  signers: Readonly<Record<string, string>>,
): Promise<string> {
  const tree = new MerkleTree(nodeCrypto);
  for (const entry of of.log.slice(0, size)) tree.append(entry);
  const checkpoint = { origin: logOrigin(of.genesis), size, root: tree.root() };
  const lines: NoteSignature[] = [];
  for (const [name, keys] of Object.entries(signers)) {
    const by = { name, signer: of.witness(keys), timeSeconds: 1 };
    lines.push(await cosign(nodeCrypto, by, checkpoint));
  }
  return formatNote(formatCheckpoint(checkpoint), lines);
}

export function peerOf(
  of: World,
  shown: { head: string; size: number; handovers?: string[] },
): CheckpointedPeer {
  return {
    entries: async (from, { limit = 500 } = {}) => {
      return { events: of.log.slice(from, from + limit), size: of.log.length };
    },
    checkpoint: async () => ({ note: shown.head, size: shown.size, root: '' }),
    handovers: async () => shown.handovers ?? [],
  };
}

export function followerOf(of: World, ...peers: CheckpointedPeer[]): CheckpointFollower {
  return followerBy(systemTimers, of, ...peers);
}

export function followerBy(
  timers: Timers,
  { genesis, charter: founding }: World,
  ...peers: CheckpointedPeer[]
): CheckpointFollower {
  return new CheckpointFollower({ crypto: nodeCrypto, timers, peers, genesis, founding });
}
