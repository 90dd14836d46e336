// SPDX-License-Identifier: Apache-2.0
// Which versions a run may read: never more than every owner said, and what its run began with.
import { toHex } from '@cloister/core';
import { accepted, type Node, type Submitted, World } from '@cloister/testkit/world';
import { beforeAll, describe, expect, it } from 'vitest';
import { bills } from '../bill.ts';
import type { Said } from '../events/bodies.ts';
import { rightsOfJoin } from './rights.ts';

type Dataset = Said<'dataset'>;

function voidCode({ outcome }: Submitted): string {
  return outcome.status === 'void' ? outcome.code : 'accepted';
}

let world: World;
beforeAll(async () => {
  world = await World.create();
  await world.formEpoch();
});

/** What an approval says of later versions of these datasets: of their schema and policy. */
function standing(...of: Dataset[]) {
  return of.map(({ dataset, schema, policy }) => ({ dataset, schema, policy, columns: [1, 2] }));
}

/** The insurer's claims and the hospital's stays, and a task of the bank over both. */
async function told(options: { claims?: Partial<Dataset>; stays?: Partial<Dataset> } = {}) {
  const w = world.fork();
  const claims = await w.addDataset('insurer', options.claims);
  const stays = await w.addDataset('hospital', options.stays);
  const task = await w.propose('bank', [claims, stays]);
  const replace = (change: Partial<Dataset> = {}) => {
    const own = { files: w.datasetBody().files, ...change };
    return w.addDataset('insurer', { ...claims, version: 2, ...own });
  };
  const approve = (owner: 'insurer' | 'hospital', ...later: Dataset[]) => {
    const named = later.length === 0 ? {} : { standing: standing(...later) };
    return w.approve(owner, task, [owner === 'insurer' ? claims : stays], named);
  };
  const join = async (versions?: number[]): Promise<{ submitted: Submitted; node: Node }> => {
    const run = w.freshBytes(16);
    const asked = { task, run, operator: 'bank', ...(versions && { versions }) };
    return w.tryJoinWorker('bank', task, { run, ticket: await w.ticket(asked) });
  };
  const code = async (versions?: number[]) => {
    return voidCode((await join(versions)).submitted);
  };
  return { w, claims, stays, task, replace, approve, join, code };
}

async function agreed() {
  const all = await told();
  await all.approve('insurer', all.claims);
  await all.approve('hospital', all.claims);
  return all;
}

describe('a run of a later version', () => {
  it('needs the word of every owner, for that dataset', async () => {
    const { claims, stays, replace, approve, code } = await told();
    await replace();
    await approve('insurer', claims);
    await approve('hospital');
    expect(await code([2, 1])).toBe('join-version-not-granted');
    await approve('hospital', stays);
    expect(await code([2, 1])).toBe('join-version-not-granted');
    await approve('hospital', claims);
    expect(await code([2, 1])).toBe('accepted');
  });

  it('needs the word of as many persons as the dataset asks for', async () => {
    const { claims, replace, approve, code } = await told({ claims: { approvals: 2 } });
    await replace();
    await approve('hospital', claims);
    await approve('insurer', claims);
    await approve('insurer');
    expect(await code([1, 1])).toBe('accepted');
    expect(await code([2, 1])).toBe('join-version-not-granted');
    await approve('insurer', claims);
    expect(await code([2, 1])).toBe('accepted');
  });

  it('reads it, is recorded and billed by it, and opens by its keys alone', async () => {
    const { w, claims, replace, join } = await agreed();
    const second = await replace();
    const { node } = await join([2, 1]);
    const rights = rightsOfJoin(w.state, toHex(node.id));
    if (!rights.ok) throw new Error(rights.code);
    expect(rights.inputs.map(({ input }) => input.version)).toEqual([2, 1]);
    expect(rights.inputs[0]?.body.columns).toEqual(second.columns);
    expect(rights.inputs[0]?.body.files).not.toEqual(claims.files);
    const usage = await w.usageBody(node);
    const former = usage.inputs.map((input) => ({ ...input, version: 1 }));
    const other = await w.usageBody(node, { inputs: former });
    expect(voidCode(await w.put(node.signer, 'usage', other))).toBe('usage-inputs-differ');
    const extra = usage.inputs.map((input) => ({ ...input, columns: [1, 2, 3] }));
    const more = await w.usageBody(node, { inputs: extra });
    expect(voidCode(await w.put(node.signer, 'usage', more))).toBe('usage-columns-not-asked');
    accepted(await w.put(node.signer, 'usage', usage));
    const lines = bills(w.state).flatMap((bill) => bill.lines);
    const runs = lines.filter(({ metric }) => metric === 'run');
    expect(runs.map(({ version }) => version).sort()).toEqual([1, 2]);
  });

  it.each<[string, string, Partial<Dataset>]>([
    ['has another schema', 'join-version-not-granted', { schema: new Uint8Array(32) }],
    ['has another policy', 'join-version-not-granted', { policy: new Uint8Array(32) }],
    ['lacks a column', 'task-column-unknown', {}],
    ['costs more', 'task-price-low', {}],
  ])('is void where it %s', async (what, wanted, change) => {
    const { claims, replace, code } = await agreed();
    const lacking = { columns: claims.columns.slice(0, 2) };
    const dearer = { price: { ...claims.price, row: claims.price.row + 1 } };
    await replace({
      ...change,
      ...(what === 'lacks a column' && lacking),
      ...(what === 'costs more' && dearer),
    });
    expect(await code([2, 1])).toBe(wanted);
    expect(await code()).toBe('accepted');
  });

  it('reads the newest or the one that the task names, and none between or before', async () => {
    const { w, claims, replace, approve, code } = await told();
    await replace();
    await replace({ version: 3 });
    await approve('insurer', claims);
    await approve('hospital', claims);
    for (const versions of [[2, 1], [4, 1], [3, 2], [3], [3, 1, 1]]) {
      expect(await code(versions), versions.join()).toBe('join-version');
    }
    const later = await w.propose('bank', [{ ...claims, version: 2 }]);
    const asked = { task: later, run: w.freshBytes(16), operator: 'bank', versions: [1] };
    const change = { run: asked.run, ticket: await w.ticket(asked) };
    const { submitted } = await w.tryJoinWorker('bank', later, change);
    expect(voidCode(submitted)).toBe('join-version');
    expect(await code([3, 1])).toBe('accepted');
    expect(await code([1, 1])).toBe('accepted');
  });

  it('has no more than sixteen inputs that have moved', async () => {
    const w = world.fork();
    const all: Dataset[] = [];
    for (let i = 0; i < 17; i++) all.push(await w.addDataset('insurer'));
    const task = await w.propose('bank', all);
    for (const one of all) await w.addDataset('insurer', { ...one, version: 2 });
    await w.approve('insurer', task, all, { standing: standing(...all.slice(0, 16)) });
    const join = async (count: number) => {
      const versions = all.map((_, i) => (i < count ? 2 : 1));
      const asked = { task, run: w.freshBytes(16), operator: 'bank', versions };
      const change = { run: asked.run, ticket: await w.ticket(asked) };
      return voidCode((await w.tryJoinWorker('bank', task, change)).submitted);
    };
    expect(await join(17)).toBe('join-version');
    expect(await join(16)).toBe('accepted');
  });

  it('reads no version twice', async () => {
    const { w, claims, replace } = await told();
    const second = await replace();
    const task = await w.propose('bank', [claims, second]);
    await w.approve('insurer', task, [claims, second], { standing: standing(claims) });
    const asked = { task, run: w.freshBytes(16), operator: 'bank', versions: [2, 2] };
    const change = { run: asked.run, ticket: await w.ticket(asked) };
    expect(voidCode((await w.tryJoinWorker('bank', task, change)).submitted)).toBe('join-version');
  });

  it('may begin when the version that its task names is withdrawn', async () => {
    const { w, claims, replace, code } = await agreed();
    await replace();
    const withdraw = (version: number) =>
      w.must(w.identity('insurer'), 'withdraw', { dataset: claims.dataset, version });
    await withdraw(1);
    expect(await code([1, 1])).toBe('join-dataset-retired');
    expect(await code([2, 1])).toBe('accepted');
    await withdraw(2);
    expect(await code([2, 1])).toBe('task-input-retired');
  });

  it('takes its run from the grants that allow it, and from no others', async () => {
    const { w, claims, stays, task, replace, approve, code } = await told();
    await replace();
    await approve('insurer', claims);
    await approve('hospital', claims);
    await w.approve('hospital', task, [stays], { runs: 1 });
    expect(await code([2, 1])).toBe('accepted');
    expect(await code([2, 1])).toBe('accepted');
    expect(await code([2, 1])).toBe('join-run-limit');
    const used = [...(w.state.tasks.get(toHex(task))?.approvals.values() ?? [])];
    expect(used.map((grant) => grant.used)).toEqual([2, 2, 0]);
  });
});

describe('a run under way', () => {
  it('goes on with its version when another comes, and ends with its own', async () => {
    const { w, claims, replace, join } = await agreed();
    await replace();
    const [old, later] = [(await join()).node, (await join([2, 1])).node];
    await replace({ version: 3 });
    const open = () =>
      [old, later].map(({ id }) => {
        const rights = rightsOfJoin(w.state, toHex(id));
        return rights.ok ? rights.inputs[0]?.input.version : rights.code;
      });
    expect(open()).toEqual([1, 2]);
    await w.must(w.identity('insurer'), 'withdraw', { dataset: claims.dataset, version: 1 });
    expect(open()).toEqual(['run-ended', 2]);
    await w.must(w.identity('insurer'), 'withdraw', { dataset: claims.dataset, version: 2 });
    expect(open()).toEqual(['run-ended', 'run-ended']);
  });

  it('of a later version opens no more once that has another policy', async () => {
    const { w, replace, join } = await agreed();
    const second = await replace();
    const [old, later] = [(await join()).node, (await join([2, 1])).node];
    await w.addDataset('insurer', { ...second, policy: w.freshBytes(32) });
    const codes = [old, later].map(({ id }) => {
      const rights = rightsOfJoin(w.state, toHex(id));
      return rights.ok ? 'opens' : rights.code;
    });
    expect(codes).toEqual(['opens', 'join-version-not-granted']);
  });

  it('ends where a newer grant of the same person leaves its version out', async () => {
    const { w, claims, stays, task, replace, approve, join } = await told();
    await replace();
    await approve('hospital', claims);
    const person = w.freshBytes(32);
    const whole = { person, standing: standing(claims) };
    await w.approve('insurer', task, [claims], whole);
    const nodes = [(await join()).node, (await join([2, 1])).node];
    const states = () =>
      nodes.map(({ body }) => w.state.runs.get(toHex(body.run ?? new Uint8Array()))?.failure);
    await w.approve('insurer', task, [claims], whole);
    expect(states()).toEqual([null, null]);
    await w.approve('insurer', task, [claims], { ...whole, person: w.freshBytes(32), runs: 1 });
    expect(states()).toEqual([null, null]);
    await w.approve('insurer', task, [claims], { person, standing: standing(stays) });
    expect(states()).toEqual([null, 'grant-replaced']);
  });

  it('of several nodes reads one list of versions', async () => {
    const { w, claims, replace } = await told();
    await replace();
    const { measurements = [] } = w.taskBody([claims]).worker;
    const operators = w.charter.operators.map(({ id }) => id);
    const task = await w.propose('bank', [claims], {
      worker: { measurements, operators, nodes: 2 },
    });
    await w.approve('insurer', task, [claims], { standing: standing(claims) });
    const run = w.freshBytes(16);
    const place = async (at: number, versions?: number[]) => {
      const asked = { task, run, operator: 'bank', place: at, ...(versions && { versions }) };
      const change = { run, place: at, ticket: await w.ticket(asked) };
      return (await w.tryJoinWorker('bank', task, change)).submitted;
    };
    accepted(await place(1, [2]));
    expect(voidCode(await place(2))).toBe('join-version');
    expect(voidCode(await place(2, [1]))).toBe('join-version');
    accepted(await place(2, [2]));
  });
});

describe('what an approval says of later versions', () => {
  it.each<[string, (one: ReturnType<typeof standing>) => ReturnType<typeof standing>]>([
    ['names a dataset twice', (one) => [...one, ...one]],
    ['names no input', (one) => one.map((s) => ({ ...s, dataset: new Uint8Array(16) }))],
    ['names fewer columns', (one) => one.map((s) => ({ ...s, columns: [1] }))],
    ['names more columns', (one) => one.map((s) => ({ ...s, columns: [1, 2, 3] }))],
    ['names a policy that it never had', (one) => one.map((s) => ({ ...s, policy: s.schema }))],
    ['names another schema', (one) => one.map((s) => ({ ...s, schema: new Uint8Array(32) }))],
  ])('is void where it %s', async (_, change) => {
    const { w, claims, task } = await told();
    const body = w.approveBody(task, [claims], { standing: change(standing(claims)) });
    const submitted = await w.put(w.identity('insurer'), 'approve', body);
    expect(voidCode(submitted)).toBe('approve-standing');
  });

  it('is for the policy that it names alone, whichever version has it', async () => {
    const { w, claims, stays, task, replace, code } = await told();
    const policy = w.freshBytes(32);
    await replace({ policy });
    const both = { standing: standing({ ...claims, policy }) };
    await w.approve('hospital', task, [stays], both);
    await w.approve('insurer', task, [claims], both);
    expect(await code([2, 1])).toBe('accepted');
    // Who names another policy says what counts from there; the old word does not come back.
    const before = { standing: standing(claims) };
    await w.approve('insurer', task, [claims], before);
    expect(await code([2, 1])).toBe('join-version-not-granted');
    await w.approve('insurer', task, [claims], both);
    expect(await code([2, 1])).toBe('join-version-not-granted');
    await w.approve('hospital', task, [stays], both);
    expect(await code([2, 1])).toBe('accepted');
  });
});
