// SPDX-License-Identifier: Apache-2.0
// Keys from keepers of whom some lie, stay silent or claim another's seat: with t = 2 of 3 real
// shares the run succeeds as long as two honest ones answer, and fails with its code otherwise.
import { CodedError, systemRandom, toHex } from '@cloister/core';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FakeKeeper } from '../testing/keeper.ts';
import { Stage } from '../testing/stage.ts';
import { execute } from './run.ts';

const engine = { planner: createDuckdbPlanner(), runner: createDuckdbRunner() };
let stage: Stage;
let task: Uint8Array;
let keepers: [FakeKeeper, FakeKeeper, FakeKeeper];

beforeAll(async () => {
  stage = await Stage.raise(engine);
  const dataset = await stage.addDataset('insurer');
  const outputs = [{ name: 'a', type: 'BIGINT', recipients: ['bank'] }];
  task = await stage.addTask(dataset, { code: 'SELECT a FROM t', columns: [1], outputs });
  keepers = stage.keepers as [FakeKeeper, FakeKeeper, FakeKeeper];
});

afterEach(() => stage.reset());

afterAll(async () => {
  await stage.lower();
  await Promise.all([engine.planner.close(), engine.runner.close()]);
});

const PATIENCE_MS = 20_000;

async function run(change: Parameters<Stage['ports']>[0] = {}) {
  const id = systemRandom.bytes(16);
  const began = performance.now();
  const about = await stage.asked(task, id);
  const warned: string[] = [];
  const log = { info: () => undefined, warn: (event: string) => void warned.push(event) };
  const error = await execute({ ...stage.ports(change), log }, about, () => undefined).then(
    () => undefined,
    (thrown: unknown) => thrown as CodedError,
  );
  const folded = stage.world.state.runs.get(toHex(id));
  return { code: error?.code ?? 'none', error, folded, warned, ms: performance.now() - began };
}

/** Answers the second column's point for the first: a point of the curve, and the wrong one. */
function lie(keeper: FakeKeeper): void {
  keeper.bendPartials = (partials) => {
    const [first, second] = partials;
    if (first === undefined || second === undefined) return partials;
    return [
      { ...first, point: second.point },
      { ...second, point: first.point },
    ];
  };
}

describe('one keeper of three', () => {
  const ways: Record<string, (keeper: FakeKeeper) => void> = {
    'lies about a point': lie,
    'signs for another seat': (k) => {
      k.bendReceipt = (r) => ({ ...r, seat: r.seat === 1 ? 3 : 1 });
    },
    'signs that it opened other columns': (k) => {
      k.bendReceipt = (r) => ({ ...r, columns: new Uint8Array(32) });
    },
    'signs for another run': (k) => {
      k.bendReceipt = (r) => ({ ...r, run: new Uint8Array(16) });
    },
    'signs that it judged before the join': (k) => {
      k.bendReceipt = (r) => ({ ...r, size: 1 });
    },
    'sends no points': (k) => {
      k.bendPartials = (p) => p.map((one) => ({ ...one, point: new Uint8Array(65).fill(4) }));
    },
    'leaves out a column': (k) => {
      k.bendPartials = (p) => p.slice(1);
    },
    'answers a column twice': (k) => {
      k.bendPartials = (p) => p.map(() => p[0] as (typeof p)[number]);
    },
    'answers for another seat': (k) => {
      k.bendOpen = (a) => ({ ...a, seat: (a.seat % 3) + 1 });
    },
    'answers for another epoch': (k) => {
      k.bendOpen = (a) => ({ ...a, epoch: 'ab'.repeat(32) });
    },
    'seals garbage': (k) => {
      k.bendOpen = (a) => ({ ...a, sealed: 'AAAA' });
    },
    'has gone': (k) => {
      k.mode = 'dead';
    },
    'is silent': (k) => {
      k.mode = 'silent';
    },
    'is silent when asked to open': (k) => {
      k.silentOn = '/v1/open';
    },
    'says it holds no seat': (k) => {
      k.bendHealth = (h) => ({ ...h, seat: null, join: null, epoch: null });
    },
    refuses: (k) => {
      k.refuse = new CodedError('policy-hidden', 'policy', 'no');
    },
    'repeats a challenge of its own': (k) => {
      k.bendChallenge = () => '11'.repeat(32);
    },
  };
  for (const [what, bend] of Object.entries(ways)) {
    it.each([0, 2])(`that ${what} does not stop the run (seat index %i)`, async (at) => {
      bend(keepers[at] as FakeKeeper);
      const { code, ms, folded } = await run({ patienceMs: PATIENCE_MS });
      expect([code, folded?.status]).toEqual(['none', 'released']);
      // Nobody's silence is waited for as long as patience lasts.
      expect(ms).toBeLessThan(PATIENCE_MS);
    });
  }

  it('that lies does not stop the run when another could not answer at once', async () => {
    const [first, second] = keepers;
    lie(first);
    let asked = 0;
    second.bendPartials = (partials) => {
      asked += 1;
      if (asked > 1) return partials;
      throw new CodedError('peer-unreachable', 'unavailable', 'no gateway has the blob now');
    };
    expect((await run()).code).toBe('none');
    expect(asked).toBe(2);
  });

  it('that claims the seat and the join of another costs that one nothing', async () => {
    const [first, second] = keepers;
    const theirs = {
      seat: 1,
      join: toHex(stage.epoch.nodes[0]?.id ?? new Uint8Array(0)),
    };
    second.bendHealth = (h) => ({ ...h, ...theirs });
    second.bendOpen = (a) => ({ ...a, seat: 1 });
    const { code } = await run();
    expect(code).toBe('none');
    expect(first.requests).toContain('/v1/open');
  });
});

describe('two keepers of three', () => {
  it('that lie end the run, and the ledger has the code', async () => {
    lie(keepers[0]);
    lie(keepers[2]);
    const { code, folded, error } = await run();
    expect(code).toBe('key-opening-failed');
    expect(folded).toMatchObject({ status: 'failed', failure: 'key-opening-failed' });
    expect(error?.message).toContain(keepers[0].address);
    expect(error?.message).toContain(keepers[2].address);
    expect(error?.message).not.toContain(keepers[1].address);
  });

  it('that refuse: the refusal that most gave is the run’s failure', async () => {
    keepers[0].refuse = new CodedError('policy-hidden', 'policy', 'no');
    keepers[1].refuse = new CodedError('policy-hidden', 'policy', 'no');
    keepers[2].refuse = new CodedError('not a code!', 'policy', 'no');
    const { code, folded } = await run();
    expect(code).toBe('keepers-refused');
    expect(folded).toMatchObject({ status: 'failed', failure: 'policy-hidden' });
    // Under the same key nobody would answer otherwise the second time.
    const asked = keepers.map((keeper) => keeper.requests.filter((path) => path === '/v1/open'));
    expect(asked.map(({ length }) => length)).toEqual([1, 1, 1]);
  });

  it('that are gone: too few, with the code', async () => {
    keepers[0].mode = 'dead';
    keepers[1].mode = 'dead';
    const { code, folded } = await run();
    expect(code).toBe('keepers-too-few');
    expect(folded).toMatchObject({ status: 'failed', failure: 'keepers-too-few' });
  });
});

it('a key that is dealt again in the middle is asked of who holds it then', async () => {
  const { epoch, world, shared } = stage;
  let dealt: Promise<void> | undefined;
  for (const keeper of keepers) {
    keeper.bendPartials = async (partials) => {
      dealt ??= shared.lane.then(async () => {
        const next = await world.reshare(epoch, epoch.nodes);
        for (const one of keepers) {
          one.reset();
          one.hold(next);
        }
      });
      shared.lane = dealt;
      await dealt;
      return partials.slice(1);
    };
  }
  const { code, folded, warned } = await run();
  expect([code, folded?.status]).toEqual(['none', 'released']);
  expect(warned).toContain('keys-dealt-again');
});

// The last one: nobody runs this task any more.
it('a run that an owner declines in the middle ends with what keepers said', async () => {
  const { world, shared } = stage;
  let declined: Promise<unknown> | undefined;
  for (const keeper of keepers) {
    keeper.bendPartials = async () => {
      declined ??= shared.lane.then(() =>
        world.must(world.identity('insurer'), 'decline', { task, code: 'no' }),
      );
      await declined;
      throw new CodedError('policy-hidden', 'policy', 'no');
    };
  }
  expect((await run()).code).toBe('keepers-refused');
});
