// SPDX-License-Identifier: Apache-2.0
// The real follower of a keeper or a worker over its peers, with the checker looking at every entry
// that it folds, and with the guard off that is a mutant's.
import { type CheckpointedPeer, CheckpointFollower, type FoldState } from '@cloister/contract';
import { type CryptoPort, isCoded, type Timers } from '@cloister/core';
import { leafHash, parseNote } from '@cloister/tlog';
import type { Checker } from './checker.ts';
import { admissionOf } from './mutants.ts';
import type { Stage } from './stage.ts';

/** Of a phase of some seconds, as five are of a minute, and more than bad weather takes. */
const SLOW_MS = 500;

export function followerOf(
  stage: Stage,
  checker: Checker,
  of: { node: string; timers: Timers; peers: readonly CheckpointedPeer[] },
): CheckpointFollower {
  const { node, timers, peers } = of;
  const { genesis, charter } = stage.world;
  const lax = { ...charter, witnesses: { ...charter.witnesses, quorum: 1 } };
  const state = (): FoldState => follower.state;
  const told = folding(stage, state, (seq, bytes) => checker.followed(node, seq, bytes));
  const follower: CheckpointFollower = new CheckpointFollower({
    crypto: stage.off('root') ? sameLeaf(stage) : stage.shared.crypto,
    timers,
    slowMs: SLOW_MS,
    peers: peersOf(stage, peers),
    genesis,
    founding: stage.off('checkpoint-quorum') ? lax : charter,
    admission: admissionOf(stage, { node, state, told }),
  });
  return follower;
}

/**
 * Tells `folded` what each position was folded with in the end: who crosses a change of witnesses
 * admits the entries for a copy of its state first, and may drop them.
 */
function folding(
  stage: Stage,
  state: () => FoldState,
  folded: (seq: number, bytes: Uint8Array) => void,
): (bytes: Uint8Array) => void {
  const admitted = new Map<number, Uint8Array>();
  let waiting = false;
  const look = () => {
    waiting = false;
    for (const [seq, bytes] of admitted) {
      if (seq >= state().seq) return;
      admitted.delete(seq);
      folded(seq, bytes);
    }
  };
  return (bytes) => {
    admitted.set(state().seq, bytes);
    if (!waiting) stage.network.after(1, look);
    waiting = true;
  };
}

function peersOf(stage: Stage, peers: readonly CheckpointedPeer[]): readonly CheckpointedPeer[] {
  if (stage.off('in-turn')) return [lastAnswered(peers)];
  return stage.mutant === undefined ? peers : peers.map((peer) => mending(stage, peer));
}

/** A peer whose notes have the signatures that the guard which is off would have missed. */
function mending(stage: Stage, peer: CheckpointedPeer): CheckpointedPeer {
  const mended = (note: string) => {
    const repair = stage.repairs.get(parseNote(note).text);
    if (repair === undefined || !stage.off(repair.guard)) return note;
    return new TextDecoder().decode(repair.bytes);
  };
  return {
    entries: (from, options) => peer.entries(from, options),
    checkpoint: async (least) => {
      const head = await peer.checkpoint(least);
      return { ...head, note: mended(head.note) };
    },
    handovers: async (from) => (await peer.handovers(from)).map(mended),
  };
}

/** Peers as one: the first that answers is asked again and again. */
function lastAnswered(peers: readonly CheckpointedPeer[]): CheckpointedPeer {
  let first = 0;
  const ask = async <T>(what: (peer: CheckpointedPeer) => Promise<T>): Promise<T> => {
    let last: unknown;
    for (let i = 0; i < peers.length; i++, first = (first + 1) % peers.length) {
      try {
        return await what(peers[first] as CheckpointedPeer);
      } catch (error) {
        if (!isCoded(error)) throw error;
        last = error;
      }
    }
    throw last;
  };
  return {
    entries: (from, options) => ask((peer) => peer.entries(from, options)),
    checkpoint: (least) => ask((peer) => peer.checkpoint(least)),
    handovers: (from) => ask((peer) => peer.handovers(from)),
  };
}

/** A digest under which an altered entry has the leaf of the true one. */
function sameLeaf(stage: Stage): CryptoPort {
  const { crypto } = stage.shared;
  return {
    ...crypto,
    digest(hash, ...parts) {
      const [prefix, entry] = parts;
      const leaf = parts.length === 2 && prefix?.length === 1 && prefix[0] === 0;
      const repair = leaf ? stage.repairs.get(stage.shared.nameOf(entry as Uint8Array)) : undefined;
      if (repair?.guard === 'root') return leafHash(crypto, repair.bytes);
      return crypto.digest(hash, ...parts);
    },
  };
}
