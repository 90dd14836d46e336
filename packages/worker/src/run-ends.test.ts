// SPDX-License-Identifier: Apache-2.0
// How runs end, well or not: secrets are gone, nothing is under way any more, the ledger knows, and
// what the caller is told is what went wrong.
import { classOf } from '@cloister/contract';
import { byKind, ofKind, type Runner } from '@cloister/contract/policy';
import { CodedError, systemRandom, toHex } from '@cloister/core';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { HpkeKeyPair } from '@cloister/threshold/node';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FakeGateway } from '../testing/gateway.ts';
import { Stage, type StageDataset } from '../testing/stage.ts';
import type { ReadRequest } from './data-plane.ts';
import type { WorkerPorts } from './ports.ts';
import { execute } from './run.ts';

/** As in directory.ts. */
const HEALTH_MS = 5_000;
const engine = { planner: createDuckdbPlanner(), runner: createDuckdbRunner() };
const outputs = [{ name: 'a', type: 'BIGINT', recipients: ['bank'] }];
const about = { code: 'SELECT a FROM t', columns: [1], outputs };
let stage: Stage;
let dataset: StageDataset;
let task: Uint8Array;

beforeAll(async () => {
  stage = await Stage.raise(engine);
  dataset = await stage.addDataset('bank');
  task = await stage.addTask(dataset, about);
});

afterEach(() => {
  vi.restoreAllMocks();
  stage.reset();
});

afterAll(async () => {
  await stage.lower();
  await Promise.all([engine.planner.close(), engine.runner.close()]);
});

/** The runner as usual but for what is given. */
const runningBy = ({ runners }: WorkerPorts, change: Partial<Runner>) => ({
  runners: byKind([{ ...ofKind('runner', runners, 'duckdb'), ...change }]),
});

/** One run with ports as usual but for what is given; how it ended, here and on the ledger. */
async function run(
  change: (ports: WorkerPorts) => Partial<WorkerPorts> = () => ({}),
  of = task,
  onPhase: (phase: string, run: string) => void = () => undefined,
) {
  const id = systemRandom.bytes(16);
  const usual = stage.ports();
  const phases: string[] = [];
  const told = (phase: string) => {
    phases.push(phase);
    onPhase(phase, toHex(id));
  };
  const about = await stage.asked(of, id);
  const error = await execute({ ...usual, ...change(usual) }, about, told).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const code = error instanceof CodedError ? error.code : error === undefined ? 'none' : 'uncoded';
  return { error, code, phases, folded: stage.world.state.runs.get(toHex(id)) };
}

function gateway(member: string): FakeGateway {
  return stage.gateways.find((one) => one.member === member) as FakeGateway;
}

it('a run lies in memory unless its own environment is a simulation', async () => {
  const askedFor = async (environments: readonly [id: string, trust: string][]) => {
    const asked: boolean[] = [];
    await run((ports) => ({
      config: { ...ports.config, environment: 'own' },
      follower: new Proxy(ports.follower, {
        get: (of, name) => {
          if (name !== 'charter') return Reflect.get(of, name, of);
          const own = environments.map(([id, trust]) => ({
            ...of.charter.environments[0],
            id,
            trust,
          }));
          return { ...of.charter, environments: own };
        },
      }),
      data: {
        ...ports.data,
        makeScratch: (_folder, inMemory) => {
          asked.push(inMemory);
          throw new CodedError('scratch-not-in-memory', 'verification', 'no');
        },
      },
    }));
    return asked;
  };
  expect(
    await askedFor([
      ['other', 'simulated'],
      ['own', 'hardware'],
    ]),
  ).toEqual([true]);
  expect(
    await askedFor([
      ['other', 'hardware'],
      ['own', 'simulated'],
    ]),
  ).toEqual([false]);
  expect(await askedFor([['other', 'simulated']])).toEqual([true]);
});

describe('when a run is over', () => {
  it.each(['well', 'badly'] as const)(
    '%s, its own keys and the opened ones are wiped',
    async (how) => {
      const pairs = new Set<string>();
      const wipe = HpkeKeyPair.prototype.wipe;
      vi.spyOn(HpkeKeyPair.prototype, 'wipe').mockImplementation(function (this: HpkeKeyPair) {
        pairs.add(toHex(this.publicKey));
        wipe.call(this);
      });
      let opened: ReadRequest['keys'] = [];
      const { code } = await run((ports) => ({
        data: {
          ...ports.data,
          readInputs: async (request) => {
            opened = request.keys;
            expect(opened[0]?.get(1)?.some((byte) => byte !== 0)).toBe(true);
            if (how === 'badly') throw new CodedError('chunk-mismatch', 'verification', 'no');
            return ports.data.readInputs(request);
          },
        },
      }));
      expect(code).toBe(how === 'well' ? 'none' : 'chunk-mismatch');
      const { hpke } = [...stage.world.state.joins.values()].at(-1)?.body ?? {};
      expect(pairs).toContain(toHex(hpke as Uint8Array));
      const bytes = [...(opened[0]?.values() ?? [])].flatMap((key) => [...key]);
      expect(bytes.length).toBe(64);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    },
  );

  it('its folder goes when nothing uses it any more, whatever failed first', async () => {
    const order: string[] = [];
    const { code } = await run((ports) => ({
      data: {
        ...ports.data,
        readInputs: async () => {
          throw new CodedError('chunk-mismatch', 'verification', 'no');
        },
        dropScratch: (folder) => {
          order.push('dropped');
          return ports.data.dropScratch(folder);
        },
      },
      ...runningBy(ports, {
        run: async () => {
          await new Promise((done) => setTimeout(done, 100));
          order.push('computed');
          throw new CodedError('engine-failed', 'unsupported', 'no');
        },
      }),
    }));
    expect([code, ...order]).toEqual(['chunk-mismatch', 'computed', 'dropped', 'dropped']);
  });

  it('of an engine without a runner ends before any keeper is asked', async () => {
    const { code, folded } = await run(() => ({ runners: new Map() }));
    expect([code, folded?.status]).toEqual(['engine-other', 'failed']);
    expect(stage.keepers.flatMap(({ requests }) => requests)).toEqual([]);
  });

  it('its peak of memory is recorded by its name', async () => {
    const { folded } = await run((ports) => ({
      ...runningBy(ports, {
        run: async (request) => {
          const metrics = [
            { name: 'run-ms', value: 3, trust: 'host-influenced' },
            { name: 'peak-memory-bytes', value: 7.5, trust: 'host-influenced' },
          ] as const;
          return { ...(await ofKind('runner', ports.runners, 'duckdb').run(request)), metrics };
        },
      }),
    }));
    expect(folded?.usage?.body.classes.peakMemoryBytes).toBe(classOf(8));
    expect(await stage.measures(folded?.usage, 'bank')).toMatchObject({ peakMemoryBytes: 8 });
    // The run concerns the bank alone.
    await expect(stage.measures(folded?.usage, 'hospital')).rejects.toMatchObject({
      code: 'openings-not-for-me',
    });
  });

  it('what held its code is recorded, and what the charter wants is asked for', async () => {
    const asked: unknown[] = [];
    const { folded } = await run((ports) => ({
      ...runningBy(ports, {
        run: async (request) => {
          asked.push(request.cage);
          const result = await ofKind('runner', ports.runners, 'duckdb').run(request);
          return { ...result, cage: 'sandbox' };
        },
      }),
    }));
    expect(asked).toEqual(['process']);
    expect(folded?.usage?.body.cage).toBe('sandbox');
  });

  it('it says so once, though a gateway calls its last event void', async () => {
    const insurer = gateway('insurer');
    insurer.bend = async (asked, honest) => {
      const answer = (await honest()) as object;
      if (asked.path !== '/v1/events') return answer;
      return { ...answer, status: 'void', code: 'run-limit', sentence: 'no' };
    };
    const { code, phases } = await run();
    expect(code).toBe('none');
    expect(phases.filter((phase) => phase === 'released')).toEqual(['released']);
    expect(phases.at(-1)).toBe('released');
  });
});

describe('a run that must not go on', () => {
  it('has ended on the ledger before it asks for anything', async () => {
    let ports: WorkerPorts | undefined;
    const { code } = await run(
      (usual) => {
        ports = usual;
        return {};
      },
      task,
      (phase, id) => {
        const known = ports?.follower.state.runs.get(id);
        if (phase === 'keys' && known !== undefined) known.status = 'failed';
      },
    );
    expect(code).toBe('run-ended');
    expect(stage.keepers.flatMap((k) => k.requests)).toEqual([]);
  });

  it('has outputs on the ledger that are not those of its parameters', async () => {
    const moreOutputs = [{ id: 9, recipients: ['bank'] }];
    const of = await stage.addTask(dataset, { ...about, moreOutputs });
    const { code, folded } = await run(undefined, of);
    expect([code, folded?.failure]).toEqual(['outputs-differ', 'outputs-differ']);
    expect(stage.keepers.flatMap((k) => k.requests)).not.toContain('/v1/open');
  });

  it('has met a fault of ours, which is not taken for a gateway’s lie', async () => {
    gateway('insurer').bend = async (asked, honest) => {
      if (asked.path !== '/healthz') return honest();
      return { ...((await honest()) as object), name: 'bank' };
    };
    const { error, folded } = await run((ports) => ({
      links: (signer) => {
        const links = ports.links(signer);
        const [first, ...others] = links.gateways;
        const openings = () => Promise.reject(new TypeError('ours'));
        const broken = Object.create(first as object, { openings: { value: openings } });
        return { ...links, gateways: [broken, ...others] };
      },
    }));
    expect(error).toBeInstanceOf(TypeError);
    expect(folded).toMatchObject({ status: 'failed', failure: 'run-failed' });
  });
});

describe('the failure of a run', () => {
  const differing = () => stage.addTask(dataset, { ...about, usesOf: 'SELECT a + 1 AS a FROM t' });

  it('is on the ledger though a gateway says so and did nothing', async () => {
    const of = await differing();
    const insurer = gateway('insurer');
    let dropped = 0;
    insurer.bend = async (asked, honest) => {
      if (asked.path !== '/v1/events' || stage.world.state.runs.size === 0) return honest();
      const joined = [...stage.world.state.runs.values()].at(-1)?.status === 'joined';
      if (!joined) return honest();
      dropped += 1;
      return { seq: 3, id: '00'.repeat(32), status: 'accepted' };
    };
    const { code, folded } = await run(undefined, of);
    expect(dropped).toBe(1);
    expect([code, folded?.failure]).toEqual(['uses-differ', 'uses-differ']);
  });

  it('that cannot be recorded is in the log, and what failed is told all the same', async () => {
    const of = await differing();
    const said: unknown[][] = [];
    for (const one of stage.gateways) {
      one.bend = async (asked, honest) => {
        const joined = [...stage.world.state.runs.values()].at(-1)?.task === toHex(of);
        if (asked.path !== '/v1/events' || !joined) return honest();
        throw new CodedError('internal', 'unavailable', 'gone');
      };
    }
    const { code, folded } = await run(
      (ports) => ({
        config: { ...ports.config, patienceMs: 800 },
        log: { ...ports.log, warn: (...line: unknown[]) => void said.push(line) },
      }),
      of,
    );
    expect([code, folded?.status]).toEqual(['uses-differ', 'joined']);
    expect(said.map(([event]) => event)).toContain('failure-not-recorded');
  });
});

describe('the files of an input', () => {
  it('are not asked of just anyone for a fault of ours', async () => {
    let armed = false;
    const { error } = await run(
      ({ timers }) => ({
        timers: {
          elapsed: () => timers.elapsed(),
          after: (ms, done) => {
            // While inputs are read this bounds the question whose gateways are whose.
            if (!armed || ms !== HEALTH_MS) return timers.after(ms, done);
            armed = false;
            throw new TypeError('ours');
          },
        },
      }),
      task,
      (phase) => {
        armed = phase === 'reading';
      },
    );
    expect(error).toBeInstanceOf(TypeError);
  });

  it('are asked of those first who say that they are its owner’s', async () => {
    const ranged: string[] = [];
    for (const one of stage.gateways) {
      one.bend = async (asked, honest) => {
        if (asked.range !== undefined) ranged.push(one.member);
        return honest();
      };
    }
    expect((await run()).code).toBe('none');
    expect(new Set(ranged)).toEqual(new Set(['bank']));
  });
});
