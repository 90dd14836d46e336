// SPDX-License-Identifier: Apache-2.0
// The witness: its rule, its memory, forks, and a store that fails.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCoded, utf8 } from '@cloister/core';
import { ed25519Signer, nodeCrypto } from '@cloister/core/node';
import { afterAll, describe, expect, it } from 'vitest';
import {
  decideWitness,
  logOrigin,
  MerkleTree,
  type Proposal,
  verifyCheckpoint,
  verifyFreshness,
  Witness,
  type WitnessStore,
} from './index.ts';
import { fileWitnessStore } from './node.ts';

const genesis = new Uint8Array(32).fill(9);
const origin = logOrigin(genesis);
const signer = ed25519Signer(new Uint8Array(32).fill(1));
const name = 'insurer/witness';
const one = { witnesses: [{ name, key: signer.key }], quorum: 1, required: [name] };
const clock = { now: () => 1_700_000_000_000 };

function treeOf(size: number, label = 'entry'): MerkleTree {
  const tree = new MerkleTree(nodeCrypto);
  for (let i = 0; i < size; i++) tree.append(utf8(`${label} ${i}`));
  return tree;
}

function memoryStore(): WitnessStore & {
  bytes: Uint8Array | undefined;
  fail: 'before' | 'after' | undefined;
} {
  return {
    bytes: undefined,
    fail: undefined,
    async load() {
      return this.bytes;
    },
    async save(bytes) {
      const how = this.fail;
      this.fail = undefined;
      if (how !== 'before') this.bytes = bytes;
      if (how !== undefined) throw new Error('EIO');
    },
  };
}

const optionsOf = (store: WitnessStore, tree: MerkleTree) => ({
  crypto: nodeCrypto,
  clock,
  name,
  signer,
  origin,
  store,
  tree,
});

describe('the rule of a witness', () => {
  const tree = treeOf(20);
  const head = tree.head(10);
  const extension = async (change: Partial<Proposal> = {}): Promise<Proposal> => ({
    ...tree.head(15),
    from: 10,
    proof: await tree.consistencyProof(10, 15),
    source: 'followed',
    ...change,
  });

  it('signs its head again and what extends it', async () => {
    const same = { ...head, from: 3, proof: [], source: 'told' as const };
    expect(decideWitness(nodeCrypto, head, same)).toEqual({
      verdict: 'sign',
      head,
      extends: false,
    });
    const more = decideWitness(nodeCrypto, head, await extension());
    expect(more).toEqual({ verdict: 'sign', head: tree.head(15), extends: true });
  });

  it('answers stale, refused or fork to everything else', async () => {
    const other = treeOf(20, 'other');
    const cases: [string, Proposal][] = [
      ['stale', await extension({ ...tree.head(9), from: 9 })],
      ['stale', { ...tree.head(9), from: 10, proof: [], source: 'followed' }],
      ['stale', await extension({ from: 9 })],
      ['stale', await extension({ from: 11 })],
      ['refused', await extension({ proof: [] })],
      ['refused', await extension({ root: other.root(15) })],
      ['refused', await extension({ source: 'told' })],
      ['refused', await extension({ source: 'cosigned' })],
      ['refused', { ...other.head(10), from: 10, proof: [], source: 'told' }],
      ['fork', { ...other.head(10), from: 10, proof: [], source: 'cosigned' }],
      ['fork', { ...other.head(10), from: 10, proof: [], source: 'followed' }],
    ];
    for (const [verdict, proposal] of cases) {
      expect(decideWitness(nodeCrypto, head, proposal).verdict).toBe(verdict);
    }
  });

  it('refuses nothing for a fault of its own', async () => {
    const digest = () => {
      throw new TypeError('no digests here');
    };
    const more = await extension();
    expect(() => decideWitness({ ...nodeCrypto, digest }, head, more)).toThrow(TypeError);
  });
});

describe('a witness', () => {
  it('signs what it followed, with challenges, and only ever forward', async () => {
    const tree = treeOf(5);
    const witness = await Witness.create(optionsOf(memoryStore(), tree));
    const challenge = new Uint8Array(32).fill(4);
    const answer = await witness.sign([challenge]);
    if (answer.verdict !== 'signed') throw new Error(answer.verdict);
    const got = await verifyCheckpoint(nodeCrypto, answer.checkpoint, { ...one, origin });
    expect(got).toMatchObject({ size: 5, times: [{ name, timeSeconds: 1_700_000_000 }] });
    const fresh = await verifyFreshness(nodeCrypto, answer.freshness ?? '', {
      ...one,
      genesis,
      challenge,
    });
    expect(fresh.size).toBe(5);
    for (let i = 5; i < 9; i++) tree.append(utf8(`entry ${i}`));
    expect((await witness.answer(tree.head(7))).verdict).toBe('signed');
    expect(await witness.answer(tree.head(6))).toMatchObject({
      verdict: 'stale',
      head: { size: 7 },
    });
    expect(await witness.answer({ ...tree.head(9), size: 10 })).toMatchObject({
      verdict: 'lagging',
      followed: 9,
    });
    expect((await witness.answer({ size: 9, root: genesis })).verdict).toBe('refused');
    const lie = { size: 9, root: genesis, source: 'cosigned' as const };
    expect((await witness.answer(lie)).verdict).toBe('fork');
    expect((await witness.answer(tree.head(9))).verdict).toBe('signed');
    const odd = await witness.answer({ size: -1, root: genesis }).catch((e: unknown) => e);
    expect(isCoded(odd, 'tree-position-invalid')).toBe(true);
  });

  it('stops for ever once its ledger shows two histories', async () => {
    const store = memoryStore();
    const witness = await Witness.create(optionsOf(store, treeOf(5)));
    await witness.sign();
    const forked = await Witness.open(optionsOf(store, treeOf(8, 'other')));
    const answer = await forked.sign();
    expect(answer).toMatchObject({ verdict: 'fork', evidence: { size: 5, source: 'followed' } });
    const honest = await Witness.open(optionsOf(store, treeOf(8)));
    expect(honest.fork?.own).toEqual(treeOf(5).root());
    expect((await honest.sign()).verdict).toBe('fork');
  });

  it('stops for ever when the order changes while it answers', async () => {
    const store = memoryStore();
    const tree = treeOf(5);
    await (await Witness.create(optionsOf(store, tree))).sign();
    const other = treeOf(5, 'other').root();
    const roots = [tree.root(), other].values();
    const turning = {
      size: 5,
      root: () => roots.next().value as Uint8Array,
      consistencyProof: async () => [],
    };
    const turned = await Witness.open({ ...optionsOf(store, tree), tree: turning });
    const answer = await turned.answer({ size: 5, root: other });
    expect(answer).toMatchObject({ verdict: 'fork', evidence: { size: 5, source: 'followed' } });
    const again = await Witness.open(optionsOf(store, tree));
    expect((await again.sign()).verdict).toBe('fork');
  });

  it('says nothing while its memory cannot be read', async () => {
    const store = memoryStore();
    const tree = treeOf(5);
    await Witness.create(optionsOf(store, tree));
    const load = () => Promise.reject(new Error('EIO'));
    await expectCode(Witness.open(optionsOf({ ...store, load }, tree)), 'witness-store-failed');
  });

  it('waits while it has not followed up to its own head', async () => {
    const store = memoryStore();
    await (await Witness.create(optionsOf(store, treeOf(5)))).sign();
    const late = await Witness.open(optionsOf(store, treeOf(4)));
    expect(await late.sign()).toMatchObject({ verdict: 'lagging', followed: 4, head: { size: 5 } });
  });

  it('lets no signature out before its head is durable', async () => {
    for (const how of ['before', 'after'] as const) {
      const store = memoryStore();
      const tree = treeOf(5);
      const witness = await Witness.create(optionsOf(store, tree));
      store.fail = how;
      const got = await witness.sign().catch((e: unknown) => e);
      expect(isCoded(got, 'witness-store-failed')).toBe(true);
      const again = await witness.sign();
      expect(again.verdict).toBe('signed');
      const reopened = await Witness.open(optionsOf(store, tree));
      expect(reopened.head?.size).toBe(5);
    }
  });

  it('takes requests in turn', async () => {
    const tree = treeOf(40);
    const witness = await Witness.create(optionsOf(memoryStore(), tree));
    const sizes = [10, 40, 20, 30];
    const answers = await Promise.all(sizes.map((size) => witness.answer(tree.head(size))));
    expect(answers.map((a) => a.verdict)).toEqual(['signed', 'signed', 'stale', 'stale']);
  });
});

describe("a witness's file", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-witness-'));
  afterAll(() => rm(folder, { recursive: true }));

  it('survives a restart; missing, damaged and foreign ones are refused', async () => {
    const path = join(folder, 'deep', 'witness');
    const options = optionsOf(fileWitnessStore(path), treeOf(5));
    await expectCode(Witness.open(options), 'witness-state-missing');
    await (await Witness.create(options)).sign();
    await expectCode(Witness.create(options), 'witness-state-exists');
    expect((await Witness.open(options)).head?.size).toBe(5);
    const stranger = ed25519Signer(new Uint8Array(32).fill(2));
    await expectCode(Witness.open({ ...options, signer: stranger }), 'witness-state-corrupt');
    const elsewhere = { ...options, origin: logOrigin(new Uint8Array(32)) };
    await expectCode(Witness.open(elsewhere), 'witness-state-corrupt');
    const good = await readFile(path);
    for (let at = 0; at < good.length; at += 7) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ 4;
      await writeFile(path, bad);
      await expectCode(Witness.open(options), 'witness-state-corrupt');
      await writeFile(path, good.subarray(0, at));
      await expectCode(Witness.open(options), 'witness-state-corrupt');
    }
  });
});

async function expectCode(promise: Promise<unknown>, wanted: string): Promise<void> {
  const got = await promise.then(
    () => 'no error',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );
  expect(got).toBe(wanted);
}
