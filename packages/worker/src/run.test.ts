// SPDX-License-Identifier: Apache-2.0
// Whole runs against a host, a network, gateways, keepers and a proposer that misbehave: what is
// released, what is refused, what the ledger is told, and that nothing is left behind.
import { readdir } from 'node:fs/promises';
import type { TlsKey } from '@cloister/attested';
import {
  classOf,
  decodeKeyBundle,
  decodeResultKeys,
  decodeResultParts,
  type EventBody,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { CodedError, systemRandom, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { BufferSink, bufferSource, decryptProjection, masterKeys } from '@cloister/parquet-crypto';
import { namedSecret } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen } from '@cloister/threshold/node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Stage, type StageDataset } from '../testing/stage.ts';
import { execute } from './run.ts';

const engine = { planner: createDuckdbPlanner(), runner: createDuckdbRunner() };
let stage: Stage;
let dataset: StageDataset;
let plain: Uint8Array;

const TWO = [
  { name: 'a', type: 'BIGINT', recipients: ['bank'] },
  { name: 'c', type: 'BIGINT', recipients: ['bank', 'hospital'] },
];

beforeAll(async () => {
  stage = await Stage.raise(engine);
  dataset = await stage.addDataset('insurer');
  const code = 'SELECT a, c FROM t';
  plain = await stage.addTask(dataset, { code, columns: [1, 3], outputs: TWO });
});

afterEach(() => stage.reset());

afterAll(async () => {
  await stage.lower();
  await Promise.all([engine.planner.close(), engine.runner.close()]);
});

async function run(task: Uint8Array, change: Parameters<Stage['ports']>[0] = {}) {
  const id = systemRandom.bytes(16);
  const phases: string[] = [];
  const about = await stage.asked(task, id);
  const error = await execute(stage.ports(change), about, (p) => phases.push(p)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(await readdir(stage.scratch)).toEqual([]);
  const folded = stage.world.state.runs.get(toHex(id));
  const code = error instanceof CodedError ? error.code : error === undefined ? 'none' : 'uncoded';
  return { id, phases, error: error as CodedError | undefined, code, folded };
}

/** Names and rows of what a member opens of a run, a statement after the other. */
async function openedAll(task: Uint8Array, id: Uint8Array, member: string) {
  const usage = stage.world.state.runs.get(toHex(id))?.usage?.body as EventBody<'usage'>;
  const blob = (digest: Uint8Array) => stage.shared.blobs.get(toHex(digest)) as Uint8Array;
  const parts = decodeResultParts(blob(usage.result));
  const { genesis, seed } = stage.world;
  const sealed = decodeKeyBundle(blob(parts.bundle)).get(member) as Uint8Array;
  const info = resultKeysInfo({ genesis, task, run: id, member });
  const keyPair = hpkeKeyPairFrom(namedSecret(seed, `${member}/hpke`));
  const keys = decodeResultKeys(hpkeOpen({ keyPair, info, aad: new Uint8Array(0), sealed }));
  const opened = [];
  for (const { statement, lengths, columns: own } of keys.files) {
    const [part] = parts.statements[statement] as [Uint8Array];
    const columns = own.filter(({ id: key }) => key > 0).map(({ name }) => name);
    const { rows } = await decryptProjection({
      source: bufferSource(blob(part).subarray(0, lengths[0])),
      sink: new BufferSink(),
      keys: masterKeys(new Map(own.map(({ id: key, key: k }) => [String(key), k]))),
      columns,
      aadPrefix: resultAadPrefix({ genesis, task, run: id, statement, part: 0 }),
      algorithms: ['AES_GCM_V1'],
    });
    opened.push({ statement, columns, rows });
  }
  return opened;
}

/** The same of a code of one statement. */
async function opened(task: Uint8Array, id: Uint8Array, member: string) {
  const [only, ...more] = await openedAll(task, id, member);
  expect(more).toEqual([]);
  return { columns: only?.columns, rows: only?.rows };
}

describe('a run of several statements', () => {
  it('gives each recipient the files of which it gets a column, and their keys only', async () => {
    const code = 'SELECT a, c FROM t; SELECT count(*) AS n FROM t; SELECT a AS c FROM t LIMIT 1';
    const to = (statement: number, name: string, ...recipients: string[]) => {
      return { statement, name, type: 'BIGINT', recipients };
    };
    const outputs = [
      to(0, 'a', 'bank'),
      to(0, 'c', 'bank', 'hospital'),
      to(1, 'n', 'bank'),
      to(2, 'c', 'hospital'),
    ];
    const task = await stage.addTask(dataset, { code, columns: [1, 3], outputs });
    const ended = await run(task, { computes: true });
    expect(ended.code).toBe('none');
    const measures = await stage.measures(ended.folded?.usage, 'bank');
    expect(measures.rowsOut).toBe(3 + 1 + 1);
    expect(await openedAll(task, ended.id, 'bank')).toEqual([
      { statement: 0, columns: ['a', 'c'], rows: 3 },
      { statement: 1, columns: ['n'], rows: 1 },
    ]);
    expect(await openedAll(task, ended.id, 'hospital')).toEqual([
      { statement: 0, columns: ['c'], rows: 3 },
      { statement: 2, columns: ['c'], rows: 1 },
    ]);
  });
});

describe('a run', () => {
  it('releases to each recipient exactly its columns, and the ledger tells it', async () => {
    const { id, phases, code, folded } = await run(plain, { computes: true });
    expect(code).toBe('none');
    const steps = ['attesting', 'joining', 'keys', 'reading', 'computing', 'recording'];
    expect(phases).toEqual([...steps, 'releasing', 'released']);
    expect(folded?.status).toBe('released');
    expect(await opened(plain, id, 'bank')).toEqual({ columns: ['a', 'c'], rows: 3 });
    expect(await opened(plain, id, 'hospital')).toEqual({ columns: ['c'], rows: 3 });
    const usage = folded?.usage?.body;
    if (usage === undefined) throw new Error('no usage');
    const { inputs, classes } = usage;
    const { length } = dataset.body.files;
    expect(inputs.map(({ rows, bytes }) => [rows, bytes])).toEqual([[3, length]]);
    expect(classes.rowsOut).toBe(classOf(3));
    // The proposer, a recipient and the owner of the input.
    for (const member of ['bank', 'hospital', dataset.owner]) {
      expect(await stage.measures(folded?.usage, member)).toMatchObject({ rowsOut: 3 });
    }
    expect(stage.gateways.find((g) => g.member === 'insurer')?.taken.size).toBe(1);
  });

  it('holds the TLS key that its evidence binds as long as it lasts', async () => {
    const ports = stage.ports();
    const made: TlsKey[] = [];
    const tls = () => {
      const key = ports.keys.tls();
      made.push(key);
      return key;
    };
    const id = systemRandom.bytes(16);
    const held: boolean[] = [];
    const onPhase = () => held.push(made.every(({ privateKey }) => privateKey !== undefined));
    const about = await stage.asked(plain, id);
    await execute({ ...ports, keys: { ...ports.keys, tls } }, about, onPhase);
    expect(new Set(held)).toEqual(new Set([true]));
    const { join = '' } = stage.world.state.runs.get(toHex(id)) ?? {};
    const digests = made.map(({ spki }) => nodeCrypto.digest('sha256', spki));
    expect(digests).toEqual([stage.world.state.joins.get(join)?.body.tls]);
    expect(made.map(({ privateKey }) => privateKey)).toEqual([undefined]);
  });

  it('puts the result nowhere before the receipt, then to all, then `released`', async () => {
    const order: string[] = [];
    for (const gateway of stage.gateways) {
      gateway.bend = async (asked, honest) => {
        const answer = await honest();
        if (asked.method === 'PUT') order.push(`put ${gateway.member}`);
        if (asked.path === '/v1/events') order.push('event');
        return answer;
      };
    }
    expect((await run(plain)).code).toBe('none');
    const [join, usage, released, ...more] = order.flatMap((o, i) => (o === 'event' ? [i] : []));
    expect(more).toEqual([]);
    expect(join).toBe(0);
    const results = order.slice((usage ?? 0) + 1, released);
    // The file, the keys, and the list of both.
    const each = ['bank', 'hospital'].flatMap((member) => Array(3).fill(`put ${member}`));
    expect(results.sort()).toEqual(each);
    expect(order.slice(1, usage).every((o) => o.startsWith('put'))).toBe(true);
  });

  it('of no rows is a result too', async () => {
    const code = 'SELECT a FROM t WHERE a > 100';
    const outputs = TWO.slice(0, 1);
    const task = await stage.addTask(dataset, { code, columns: [1], outputs });
    const { id, code: ended } = await run(task, { computes: true });
    expect(ended).toBe('none');
    expect(await opened(task, id, 'bank')).toEqual({ columns: ['a'], rows: 0 });
  });

  it('is refused before any key where the code does something else than its uses', async () => {
    const about = { code: 'SELECT a, c FROM t', usesOf: 'SELECT c, a FROM t', columns: [1, 3] };
    const task = await stage.addTask(dataset, { ...about, outputs: TWO });
    const { code, folded } = await run(task);
    expect(code).toBe('uses-differ');
    expect(folded).toMatchObject({ status: 'failed', failure: 'uses-differ' });
    expect(stage.keepers.flatMap((k) => k.requests)).not.toContain('/v1/open');
  });

  it('is refused before any key where its task calls one output as another', async () => {
    // The hospital may have column c alone; by the names it would get the key of a.
    const outputs = TWO.map((output, at) => ({ ...output, name: TWO[1 - at]?.name ?? '' }));
    const task = await stage.addTask(dataset, {
      code: 'SELECT a, c FROM t',
      columns: [1, 3],
      outputs,
    });
    const { code, folded } = await run(task);
    expect(code).toBe('outputs-differ');
    expect(folded).toMatchObject({ status: 'failed', failure: 'outputs-differ' });
    expect(stage.keepers.flatMap((k) => k.requests)).not.toContain('/v1/open');
  });

  it('whose join is void ends with the void code and asks nobody for anything', async () => {
    const never = await stage.world.propose('bank', [dataset.body]);
    const { error, code } = await run(never);
    expect(code).toBe('join-void');
    expect(error?.details['code']).toMatch(/^[a-z-]+$/);
    expect(error?.details['code']).not.toBe('unknown');
    expect(stage.keepers.flatMap((k) => k.requests)).toEqual([]);
  });
});

describe('openings', () => {
  it('that are another task’s are not used', async () => {
    const honest = stage.shared.openings.get(toHex(plain));
    const other = await stage.addTask(dataset, {
      code: 'SELECT a, c FROM t ',
      columns: [1, 3],
      outputs: TWO,
    });
    const theirs = stage.shared.openings.get(toHex(other));
    if (honest === undefined || theirs === undefined) throw new Error('no openings');
    stage.shared.openings.set(toHex(plain), { ...honest, code: theirs.code });
    const { code, folded } = await run(plain);
    stage.shared.openings.set(toHex(plain), honest);
    expect(code).toBe('task-opening-mismatch');
    expect(folded).toMatchObject({ status: 'failed', failure: 'task-opening-mismatch' });
  });

  it('come from whoever has them, when an impostor says it is the proposer', async () => {
    const impostor = stage.gateways[0];
    if (impostor === undefined) throw new Error('no gateway');
    impostor.bend = async (asked, honest) => {
      if (asked.path === '/v1/openings') return { sealed: 'AAAA' };
      if (asked.path !== '/healthz') return honest();
      return { ...((await honest()) as object), name: 'bank' };
    };
    expect((await run(plain)).code).toBe('none');
  });
});

describe('a gateway that says it is another member’s', () => {
  const claims = (
    member: string,
    on: (path: string, method: string) => Promise<never> | undefined,
  ) => {
    const impostor = stage.gateways[0];
    if (impostor === undefined) throw new Error('no gateway');
    impostor.bend = async (asked, honest) => {
      if (asked.path === '/healthz') return { ...((await honest()) as object), name: member };
      return on(asked.path, asked.method) ?? honest();
    };
  };
  const refuse = async () => {
    throw new CodedError('blob-refused', 'policy', 'not for you');
  };
  const taking = (path: string, method: string) => method === 'PUT' && path.startsWith('/v1/blobs');

  it('keeps no result from its recipient by refusing it', async () => {
    claims('bank', (path, method) => (taking(path, method) ? refuse() : undefined));
    const { code, folded } = await run(plain);
    expect([code, folded?.status]).toEqual(['none', 'released']);
  });

  it('keeps no result from its recipient by saying nothing', async () => {
    claims('bank', (path, method) => (taking(path, method) ? new Promise(() => {}) : undefined));
    const { code, folded } = await run(plain);
    expect([code, folded?.status]).toEqual(['none', 'released']);
  });

  it('keeps no openings from the worker by saying nothing', async () => {
    claims('bank', (path) => (path === '/v1/openings' ? new Promise(() => {}) : undefined));
    expect((await run(plain)).code).toBe('none');
  });
});

describe('a gateway', () => {
  it('that says it appended and did not is found out, and another one appends', async () => {
    const [liar] = stage.gateways;
    if (liar === undefined) throw new Error('no gateway');
    liar.bend = async (asked, honest) => {
      if (asked.path !== '/v1/events') return honest();
      return { seq: 3, id: '00'.repeat(32), status: 'accepted' };
    };
    const { code, folded } = await run(plain);
    expect([code, folded?.status]).toEqual(['none', 'released']);
  });

  it('that calls an accepted event void is not believed', async () => {
    const [liar] = stage.gateways;
    if (liar === undefined) throw new Error('no gateway');
    liar.bend = async (asked, honest) => {
      const answer = (await honest()) as object;
      if (asked.path !== '/v1/events') return answer;
      return { ...answer, status: 'void', code: 'run-limit', sentence: 'no' };
    };
    expect((await run(plain)).code).toBe('none');
  });

  it('that serves wrong bytes costs nothing while another serves right ones', async () => {
    const [liar] = stage.gateways;
    if (liar === undefined) throw new Error('no gateway');
    liar.bend = async (asked, honest) => {
      const answer = await honest();
      const blob = asked.method === 'GET' && asked.path.startsWith('/v1/blobs/');
      return blob && answer instanceof Uint8Array ? answer.slice().fill(7, 0, 1) : answer;
    };
    expect((await run(plain)).code).toBe('none');
    for (const gateway of stage.gateways) {
      gateway.bend = async (asked, honest) => {
        const answer = await honest();
        if (asked.range === undefined || !(answer instanceof Uint8Array)) return answer;
        return answer.slice().fill(7, 0, 1);
      };
    }
    const { code, folded } = await run(plain);
    expect(code).toBe('chunk-mismatch');
    expect(folded).toMatchObject({ status: 'failed', failure: 'chunk-mismatch' });
  });

  it('that shows checkpoints nobody signed is passed over', async () => {
    const [liar] = stage.gateways;
    if (liar === undefined) throw new Error('no gateway');
    liar.bend = async (asked, honest) => {
      const answer = (await honest()) as { note: string };
      if (asked.path !== '/v1/log/checkpoint') return answer;
      const note = answer.note.replace(/(— \S+ )(\S{8})/g, '$1AAAAAAAA');
      return { ...answer, note };
    };
    expect((await run(plain)).code).toBe('none');
  });

  it('whose witness is gone holds up what needs all witnesses, with a code', async () => {
    const dead = stage.gateways[2];
    if (dead === undefined) throw new Error('no gateway');
    for (const gateway of stage.gateways) {
      gateway.bend = async (asked, honest) => {
        if (asked.path !== '/v1/freshness' || gateway !== dead) return honest();
        throw new CodedError('internal', 'unavailable', 'gone');
      };
    }
    const { code, folded } = await run(plain, { patienceMs: 600 });
    expect(code).toBe('freshness-unreachable');
    expect(folded).toMatchObject({ status: 'failed', failure: 'freshness-unreachable' });
  });

  it('of the owner must sign the receipt: without it nothing is put anywhere', async () => {
    const events: number[] = [];
    for (const gateway of stage.gateways) {
      gateway.bend = async (asked, honest) => {
        if (asked.path === '/v1/events') events.push(events.length);
        if (asked.path === '/v1/cosign') throw new CodedError('internal', 'unavailable', 'gone');
        if (asked.path !== '/v1/log/checkpoint' || events.length < 2) return honest();
        const answer = (await honest()) as { size: number };
        return { ...answer, note: await gateway.note(answer.size, ['bank', 'hospital']) };
      };
    }
    const before = stage.shared.blobs.size;
    const { code, folded } = await run(plain, { patienceMs: 800 });
    expect(code).toBe('quorum-missing');
    expect(folded?.status).toBe('recorded');
    // The evidence at most: no result blob has left.
    expect(stage.shared.blobs.size - before).toBeLessThanOrEqual(1);
    expect(folded?.usage).not.toBeNull();
    expect(events.length).toBeLessThanOrEqual(3);
  });
});
