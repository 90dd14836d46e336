// SPDX-License-Identifier: Apache-2.0
// A whole ledger in a real Chromium: admitted and folded to the state that Node comes to, its tree
// proved entry by entry and across sizes, its cosignatures counted, and what is changed is
// refused with Node's code; all with the browser's own cryptography, and no request beyond the
// page's own files.
import { fileURLToPath } from 'node:url';
import { isCoded, toBase64, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { BrowserPage } from '@cloister/testkit/browser';
import { type World, wholeStory } from '@cloister/testkit/world';
import {
  type Checkpoint,
  cosign,
  formatCheckpoint,
  formatNote,
  logOrigin,
  MerkleTree,
  verifyCheckpoint,
} from '@cloister/tlog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foldEntry } from './fold/fold.ts';
import { emptyState } from './fold/state.ts';
import { encodeState } from './fold/state-codec.ts';

/** Everything goes in and out as JSON, bytes in base64 or hexadecimal. */
const MODULE = `
  import { fromBase64, fromHex, isCoded, toHex } from '@cloister/core';
  import { webCrypto as crypto } from '@cloister/core/web';
  import { emptyState, encodeState, foldEntry } from '@cloister/contract';
  import {
    leafHash, MerkleTree, verifyCheckpoint, verifyConsistency, verifyInclusion,
  } from '@cloister/tlog';

  const codeOf = async (run) => {
    try { await run(); } catch (e) { return isCoded(e) ? e.code : 'thrown: ' + e; }
    return 'holds';
  };
  const treeOf = (log) => {
    const tree = new MerkleTree(crypto);
    for (const entry of log) tree.append(fromBase64(entry));
    return tree;
  };
  globalThis.page = {
    async fold({ genesis, log }) {
      const state = emptyState(fromHex(genesis));
      const outcomes = [];
      for (const entry of log) {
        outcomes.push((await foldEntry(state, fromBase64(entry), crypto)).outcome);
      }
      return { outcomes, state: toHex(encodeState(state)) };
    },
    root: (log) => toHex(treeOf(log).root()),
    inclusion: ({ entry, index, size, root, proof }) =>
      codeOf(() => verifyInclusion(crypto, {
        leaf: leafHash(crypto, fromBase64(entry)),
        ...{ index, size, root: fromHex(root), proof: proof.map((hash) => fromHex(hash)) },
      })),
    consistency: ({ fromSize, fromRoot, toSize, toRoot, proof }) =>
      codeOf(() => verifyConsistency(crypto, {
        ...{ fromSize, toSize, fromRoot: fromHex(fromRoot), toRoot: fromHex(toRoot) },
        proof: proof.map((hash) => fromHex(hash)),
      })),
    checkpoint: ({ note, origin, quorum, witnesses }) =>
      codeOf(() => verifyCheckpoint(crypto, note, {
        ...{ origin, quorum, required: [] },
        witnesses: witnesses.map(({ name, key }) => ({ name, key: fromHex(key) })),
      })),
  };
`;

let world: World;
let tree: MerkleTree;
let page: BrowserPage;
let log: string[];
beforeAll(async () => {
  ({ world } = await wholeStory());
  log = world.log.map((entry) => toBase64(entry));
  tree = new MerkleTree(nodeCrypto);
  for (const entry of world.log) tree.append(entry);
  const folder = fileURLToPath(new URL('..', import.meta.url));
  page = await BrowserPage.open({ module: MODULE, folder });
});
afterAll(() => page?.close());

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  out[at] = (out[at] as number) ^ 1;
  return out;
}

describe('in Chromium', () => {
  it('a whole history folds to the state and the outcomes of Node', async () => {
    expect(log.length).toBeGreaterThan(40);
    const { outcomes, state } = await page.call<{ outcomes: unknown[]; state: string }>('fold', {
      genesis: toHex(world.genesis),
      log,
    });
    expect(state).toBe(toHex(encodeState(world.state)));
    expect(outcomes).toEqual(JSON.parse(JSON.stringify(world.outcomes)));
  });

  it('changed entries are void there as they are in Node', async () => {
    const changed = world.log.map((entry, i) =>
      i % 9 === 8 ? flipped(entry, entry.length - 9) : entry,
    );
    const state = emptyState(world.genesis);
    const wanted: unknown[] = [];
    for (const entry of changed) wanted.push((await foldEntry(state, entry, nodeCrypto)).outcome);
    const seen = await page.call<{ outcomes: unknown[]; state: string }>('fold', {
      genesis: toHex(world.genesis),
      log: changed.map((entry) => toBase64(entry)),
    });
    expect(seen.outcomes).toEqual(JSON.parse(JSON.stringify(wanted)));
    expect(seen.state).toBe(toHex(encodeState(state)));
    expect(JSON.stringify(wanted)).toContain('inadmissible');
  });

  it('the tree is the same, and its proofs hold there; changed ones do not', async () => {
    const { size, root } = tree.head();
    expect(await page.call('root', log)).toBe(toHex(root));
    for (const index of [0, 7, size - 1]) {
      const proof = (await tree.inclusionProof(index)).map((hash) => toHex(hash));
      const claim = { entry: log[index], index, size, root: toHex(root), proof };
      expect(await page.call('inclusion', claim)).toBe('holds');
      const other = { ...claim, entry: log[(index + 1) % size] };
      expect(await page.call('inclusion', other)).toBe('inclusion-proof-invalid');
    }
    for (const fromSize of [1, 8, size - 1]) {
      const proof = (await tree.consistencyProof(fromSize)).map((hash) => toHex(hash));
      const heads = { fromRoot: toHex(tree.root(fromSize)), toRoot: toHex(root) };
      const claim = { fromSize, toSize: size, ...heads, proof };
      expect(await page.call('consistency', claim)).toBe('holds');
      const other = { ...claim, fromRoot: toHex(flipped(tree.root(fromSize), 0)) };
      expect(await page.call('consistency', other)).toBe('consistency-proof-invalid');
    }
  });

  it("a checkpoint's cosignatures are counted there as in Node", async () => {
    const checkpoint: Checkpoint = { origin: logOrigin(world.genesis), ...tree.head() };
    const members = world.charter.members.map(({ id, witness }) => ({ name: id, key: witness }));
    const lines = await Promise.all(
      members.map(({ name }) =>
        cosign(
          nodeCrypto,
          { name, signer: world.witness(name), timeSeconds: 1_750_000_000 },
          checkpoint,
        ),
      ),
    );
    const text = formatCheckpoint(checkpoint);
    const { origin } = checkpoint;
    const forged = lines.map((line) => ({ ...line, signature: flipped(line.signature, 20) }));
    for (const [signatures, wanted] of [
      [lines, 'holds'],
      [lines.slice(1), 'quorum-not-met'],
      [forged, 'cosignature-invalid'],
    ] as const) {
      const note = formatNote(text, signatures);
      const policy = { origin, quorum: members.length, required: [], witnesses: members };
      const inNode = await verifyCheckpoint(nodeCrypto, note, policy).then(
        () => 'holds',
        (error: unknown) => (isCoded(error) ? error.code : String(error)),
      );
      expect(inNode).toBe(wanted);
      const witnesses = members.map(({ name, key }) => ({ name, key: toHex(key) }));
      expect(await page.call('checkpoint', { ...policy, note, witnesses })).toBe(wanted);
    }
  });

  it('nothing was asked of anyone, and nothing went wrong aside', () => {
    expect(page.requested.filter((path) => path !== '/favicon.ico')).toEqual(['/', '/page.js']);
    expect(page.errors).toEqual([]);
  });
});
