// SPDX-License-Identifier: Apache-2.0
// What the most expensive event of each kind costs a reader: the largest that an honest-looking
// author can make, folded where the state is at its worst for it. Processor milliseconds to admit
// and fold it, the median of several, beside a bare signature check; the bound is 2 ms for each
// (15 ms for proofs, which are checked for the forming epoch's own seats alone, once, and for a
// charter). A tick is
// charged for what it ends, by the thing. Run after a build: npm run bench worst
import { emptyState, encodeState, foldEntry, rightsOfJoin } from '@cloister/contract';
import { fromHex, parseCose, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { mintParts } from '@cloister/evidence/mint';
import { complaintOf, namedMaker, startEpoch, World } from '@cloister/testkit/world';

const TIMES = 9;
const BOUND_MS = 2;
const PROOF_MS = 15;
const say = (line) => process.stdout.write(`${line}\n`);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const names = (count, what) => Array.from({ length: count }, (_, i) => `${what}-${i + 1}`);

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** The largest of what `make(count)` signs that an event has room for, up to `most`. */
async function largest(most, make) {
  let [low, high] = [1, most + 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const bytes = await make(middle);
    if (bytes.length <= 65_535) low = middle;
    else high = middle;
  }
  return make(low);
}

let over = 0;
const checks = [];

/** Folds the event on copies of the world; `things` is how many it ends. */
async function cost(
  name,
  world,
  bytes,
  { bound = BOUND_MS, things = 1, wanted = 'accepted' } = {},
) {
  const spent = [];
  let outcome;
  // The first ones warm the code up: a reader lives long.
  for (let i = 0; i < 2 * TIMES; i++) {
    const { state } = world.fork();
    const from = cpuMs();
    ({ outcome } = await foldEntry(state, bytes, nodeCrypto));
    if (i >= TIMES) spent.push((cpuMs() - from) / things);
  }
  const got = outcome.status === 'accepted' ? 'accepted' : outcome.code;
  const each = median(spent);
  const signature = await signatureMs(bytes);
  const late = each > bound;
  over += late || got !== wanted ? 1 : 0;
  const ratio = (each / signature).toFixed(1).padStart(6);
  const said = got === wanted ? '' : ` (${got}, wanted ${wanted})`;
  const size = String(bytes.length).padStart(6);
  const of = `${name.padEnd(44)}${size} bytes ${each.toFixed(2).padStart(7)} ms ${ratio} x`;
  say(`${of}${late ? `  OVER ${bound} ms` : ''}${said}`);
}

function measured(work) {
  const spent = [];
  let of;
  for (let i = 0; i < TIMES; i++) {
    const from = cpuMs();
    of = work();
    spent.push(cpuMs() - from);
  }
  return { of, ms: median(spent) };
}

function line(name, ms, said) {
  return `${name.padEnd(56)}${ms.toFixed(2).padStart(8)} ms  ${said}`;
}

/** A bare check of the event's signature, its bytes hashed. */
async function signatureMs(bytes) {
  const { kid, signature, sigStructure } = parseCose(bytes);
  const from = cpuMs();
  for (let i = 0; i < 20; i++) await nodeCrypto.verifyEd25519(kid, sigStructure, signature);
  const each = (cpuMs() - from) / 20;
  checks.push(each);
  return each;
}

/** A maker's longest statements, where the ledger has parts of many platforms already. */
async function collateral() {
  const world = await World.create();
  const maker = namedMaker(world.seed);
  const at = world.state.clock - 60_000;
  const bank = world.identity('bank');
  const of = (part, change) => mintParts(maker, { at, ...change }).find((one) => one.part === part);
  for (const [m, member] of ['bank', 'insurer', 'hospital'].entries()) {
    for (let i = 0; i < 16; i++) {
      const subject = `cd${(16 * m + i).toString().padStart(10, '0')}`;
      for (const number of [1, 2, 3, 4]) {
        const [info] = mintParts({ ...maker, subject }, { at, number });
        await world.must(world.identity(member), 'collateral', info);
      }
    }
  }
  const ids = (count) => names(count, 'machine').map((name) => new TextEncoder().encode(name));
  const list = of('pck-crl', { revoked: ids(500) });
  await cost('collateral, a list of 500', world, await world.sign(bank, 'collateral', list));
  const advisories = names(256, 'INTEL-SA-00000-and-more-of-it');
  const info = of('tcb-info', { advisories });
  const wanted = 'collateral-quota';
  await cost('collateral, TCB info', world, await world.sign(bank, 'collateral', info), { wanted });
}

async function statements() {
  const world = await World.create();
  await world.formEpoch();
  const wide = (count) => {
    const columns = Array.from({ length: count }, (_, id) => ({
      id,
      sealed: world.freshBytes(32),
    }));
    return world.sign(world.identity('bank'), 'dataset', world.datasetBody({ columns }));
  };
  await cost('dataset, the widest', world, await largest(10_001, wide));

  const ids = Array.from({ length: 1_200 }, (_, id) => id);
  const columns = ids.map((id) => ({ id, sealed: world.freshBytes(32) }));
  const datasets = [];
  for (let i = 0; i < 14; i++) datasets.push(await world.addDataset('bank', { columns }));
  const inputs = datasets.map(({ dataset, version }) => {
    return { dataset, version, columns: ids.slice(1) };
  });
  const outputs = [{ id: 1, recipients: ['bank'] }];
  const proposed = await world.sign(world.identity('bank'), 'task', {
    ...world.taskBody(datasets, { inputs, outputs }),
  });
  await cost('task, 14 inputs of 1,199 columns', world, proposed);
  const task = (await world.submit(proposed)).event.id;
  const approval = () => {
    const body = world.approveBody(task, datasets, { inputs, runs: 1_000_000 });
    return world.sign(world.identity('bank'), 'approve', body);
  };
  for (let i = 0; i < 38; i++) await world.submit(await approval());
  await cost('approve, the 39th person, every column', world, await approval());
  const { submitted } = await world.fork().tryJoinWorker('bank', task);
  await cost('join of a worker on 38 approvals', world, submitted.bytes);
  for (let i = 0; i < 1_000; i++) {
    const joined = await world.tryJoinWorker('bank', task);
    if (joined.submitted.outcome.status !== 'accepted') throw new Error('a join was void');
  }
  const body = world.approveBody(task, datasets, { inputs, runs: 1_000_000 });
  const again = await world.sign(world.identity('bank'), 'approve', body);
  await cost('approve, another person, 1,000 open runs', world, again);
  const [first] = world.state.tasks.get(toHex(task)).approvals.values();
  const shorter = { person: fromHex(first.person), until: first.until - 1 };
  const less = { ...world.approveBody(task, datasets, { inputs, runs: 9 }), ...shorter };
  const narrower = await world.sign(world.identity('bank'), 'approve', less);
  await cost('approve that ends 1,000 runs, by the run', world, narrower, { things: 1_000 });
  const decline = { task, code: 'no' };
  const no = await world.sign(world.identity('bank'), 'decline', decline);
  await cost('decline that ends 1,000 runs, by the run', world, no, { things: 1_000 });
  const asked = [...world.state.runs.values()].at(-1).join;
  const rights = measured(() => rightsOfJoin(world.state, asked));
  say(
    line('rights of a join among 1,000 open runs', rights.ms, rights.of.ok ? '' : rights.of.code),
  );
  const time = [...world.state.runs.values()][0].deadline + 1;
  await world.must(world.witness('bank'), 'tick', { time });
  const tick = await world.sign(world.witness('insurer'), 'tick', { time });
  await cost('tick that ends 1,000 runs, by the run', world, tick, { things: 1_000 });
  const encoded = measured(() => encodeState(world.state));
  const kilobytes = Math.round(encoded.of.length / 1_024);
  say(line(`state of ${world.state.seq} entries, encoded`, encoded.ms, `${kilobytes} KiB`));
}

/** As many inputs as a task may have, each granted by as many persons as may. */
async function inputs() {
  const world = await World.create();
  await world.formEpoch();
  const asked = [];
  for (let i = 0; i < 100; i++) asked.push(await world.addDataset('bank'));
  const task = await world.propose('bank', asked);
  const approval = () => {
    const body = world.approveBody(task, asked, { runs: 1_000 });
    return world.sign(world.identity('bank'), 'approve', body);
  };
  for (let i = 0; i < 39; i++) await world.submit(await approval());
  await cost('approve, the 40th person, 100 inputs', world, await approval());
  const { submitted } = await world.fork().tryJoinWorker('bank', task);
  await cost('join of a worker on 100 inputs', world, submitted.bytes);
  const outputs = Array.from({ length: 2_700 }, (_, i) => ({ id: i + 1, recipients: ['bank'] }));
  const wide = { ...world.taskBody(asked.slice(0, 1)), outputs };
  const bytes = await world.sign(world.identity('bank'), 'task', wide);
  await cost('task, 2,700 outputs', world, bytes);
}

/** One person that approves again before each run: every open run stands on another grant. */
async function approvals() {
  const world = await World.create();
  await world.formEpoch();
  const data = await world.addDataset('bank');
  const task = await world.propose('bank', [data]);
  const person = world.freshBytes(32);
  const approve = (change) => {
    const body = world.approveBody(task, [data], { person, runs: 1_000, ...change });
    return world.sign(world.identity('bank'), 'approve', body);
  };
  for (let i = 0; i < 1_000; i++) {
    await world.submit(await approve({}));
    const { submitted } = await world.tryJoinWorker('bank', task);
    if (submitted.outcome.status !== 'accepted') throw new Error('a join was void');
  }
  for (let i = 0; i < 1_000; i++) await world.submit(await approve({}));
  await cost('approve, once more, 1,000 runs on others', world, await approve({}));
  const kept = world.state.tasks.get(toHex(task)).approvals.size;
  if (kept > 1_001) throw new Error(`2,000 approvals have left ${kept}`);
}

/** As many inputs as may have moved on; a grant for each input and person, who said so. */
async function moved() {
  const world = await World.create();
  await world.formEpoch();
  const datasets = [];
  for (let i = 0; i < 100; i++) datasets.push(await world.addDataset('bank'));
  const task = await world.propose('bank', datasets);
  const standing = datasets.slice(0, 16).map(({ dataset, schema, policy }) => {
    return { dataset, schema, policy, columns: [1, 2] };
  });
  const files = () => world.datasetBody().files;
  for (const one of datasets.slice(0, 16)) {
    await world.addDataset('bank', { ...one, version: 2, files: files() });
  }
  const approve = (of) => {
    const body = world.approveBody(task, of, { standing, runs: 1_000_000 });
    return world.sign(world.identity('bank'), 'approve', body);
  };
  for (let person = 0; person < 20; person++) {
    for (const one of datasets) await world.submit(await approve([one]));
  }
  await cost('approve, any version of 16 datasets', world, await approve(datasets));
  const asked = { task, run: world.freshBytes(16), operator: 'bank' };
  const ticket = await world.ticket({
    ...asked,
    versions: datasets.map((_, i) => (i < 16 ? 2 : 1)),
  });
  const change = { run: asked.run, ticket };
  const { submitted } = await world.fork().tryJoinWorker('bank', task, change);
  await cost('join that reads 16 newest versions, 2,000 grants', world, submitted.bytes);
}

/** Many datasets and tasks that ask for many of them: what is about one must not walk them all. */
async function crowd() {
  const world = await World.create();
  const { id, nodes } = await world.formEpoch();
  const asked = [];
  for (let i = 0; i < 1_000; i++) {
    const dataset = await world.addDataset('bank');
    if (i < 100) asked.push(dataset);
  }
  for (let i = 0; i < 500; i++) await world.propose('bank', asked);
  const alone = await world.addDataset('bank');
  const said = { dataset: alone.dataset };
  const end = await world.sign(world.identity('bank'), 'withdraw', said);
  await cost('withdraw, 500 tasks of 100 inputs', world, end);
  const reshare = { joins: nodes.map((node) => node.id), from: id };
  const wish = await world.sign(world.identity('bank'), 'epoch', reshare);
  await cost('epoch, a reshare over 1,001 datasets', world, wish);
}

async function charters() {
  const many = await largest(200, async (count) => {
    const world = new World({ members: names(count, 'member'), seats: 3, seed: 'many' });
    return world.sign(world.identity('member-1'), 'charter', world.charter);
  });
  const count = await membersThatFit();
  const world = new World({ members: names(count, 'member'), seats: 3, seed: 'many' });
  await cost(
    `charter of ${count} members`,
    { fork: () => ({ state: emptyState(world.genesis) }) },
    many,
    { bound: PROOF_MS },
  );
}

async function membersThatFit() {
  let [low, high] = [1, 201];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const world = new World({ members: names(middle, 'member'), seats: 3, seed: 'many' });
    const bytes = await world.sign(world.identity('member-1'), 'charter', world.charter);
    if (bytes.length <= 65_535) low = middle;
    else high = middle;
  }
  return low;
}

async function keys(seats, threshold) {
  const members = names(seats, 'member');
  const world = await World.create({ members, seats, threshold, vendors: 1, seed: 'keys' });
  const { id, nodes } = await startEpoch(world);
  const dealings = world.deal(id, seats);
  for (const [i, node] of nodes.entries()) {
    await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  const { sealed, complaint } = complaintOf(world, { epoch: id, dealings, dealtFor: seats });
  const deals = Array.from({ length: seats }, () => sealed);
  const shown = { ...world.revealBody(id, 1, dealings, seats), deals };
  const reveal = await world.sign(nodes[0].signer, 'reveal', shown);
  await cost(`reveal, n = ${seats}, t = ${threshold}`, world, reveal, { bound: PROOF_MS });
  const stranger = await world.sign(world.identity('member-1'), 'reveal', shown);
  await cost('  by somebody else', world, stranger, { wanted: 'seat-not-signer' });
  for (const [i, node] of nodes.entries()) {
    const body = { ...world.revealBody(id, i + 1, dealings, seats), deals };
    await world.must(node.signer, 'reveal', body);
  }
  const body = { epoch: id, seat: 2, against: 1, complaint };
  const own = await world.sign(nodes[1].signer, 'complaint', body);
  await cost(`complaint, n = ${seats}, t = ${threshold}`, world, own, { bound: PROOF_MS });
  const other = await world.sign(world.identity('member-1'), 'complaint', body);
  await cost('  by somebody else', world, other, { wanted: 'seat-not-signer' });
}

say('event                                         size    processor  x a signature');
await statements();
await inputs();
await approvals();
await moved();
await crowd();
await collateral();
await charters();
await keys(15, 8);
await keys(48, 24);
say(`a signature check: ${median(checks).toFixed(3)} ms`);
if (over > 0) {
  say(`${over} over their bound`);
  process.exitCode = 1;
}
