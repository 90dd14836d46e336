// SPDX-License-Identifier: Apache-2.0
// A gateway's life: the first start, restarts, and what it meets when something was lost or
// rewritten meanwhile. It says so with a code, signs nothing that it must not, and loses nothing.
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { codeOf, eventually, Federation, settled, withKeepers } from '../testing/federation.ts';

let federation: Federation;
afterEach(() => federation.close());

describe('a first start', () => {
  it('founds the charter, ticks and cosigns, with nobody telling it to', async () => {
    federation = await Federation.create();
    const [first] = await federation.startAll();
    await eventually(() => first?.gateway.follower.state.clock !== 0);
    const { size } = first?.gateway.follower ?? { size: 0 };
    const checkpoint = await first?.client.checkpoint(size);
    expect(checkpoint?.note.match(/^— /gmu)?.length).toBe(3);
    expect(await first?.client.health()).toMatchObject({ ok: true, name: 'insurer' });
  });

  it('comes back with the same memory', async () => {
    federation = await Federation.create();
    const [first] = await federation.startAll();
    await eventually(() => first?.gateway.follower.state.clock !== 0);
    const before = await first?.client.checkpoint();
    await federation.stop('insurer');
    const again = await federation.start('insurer');
    const after = await again.client.checkpoint(before?.size);
    expect(after.size).toBeGreaterThanOrEqual(before?.size ?? 0);
  });
});

describe('a witness without its memory', () => {
  it('does not sign again when log and memory are both lost', async () => {
    federation = await Federation.create();
    await federation.startAll();
    await federation.stop('bank');
    await rm(join(federation.home('bank'), 'witness'));
    await rm(join(federation.home('bank'), 'log'), { recursive: true });
    const starting = federation.start('bank');
    await expect(starting).rejects.toMatchObject({
      code: 'witness-state-missing',
      message: expect.stringMatching(/must not sign again; make a new one/),
    });
    // What the failed start took is free: the same folder answers the same.
    expect(await codeOf(federation.start('bank'))).toBe('witness-state-missing');
  });

  it('does not sign again when only the memory is lost', async () => {
    federation = await Federation.create(withKeepers);
    const { client } = await federation.start('bank');
    // Its copy of the log is what says that the key has begun.
    await eventually(async () => (await client.health()).size > 0);
    await federation.stop('bank');
    await rm(join(federation.home('bank'), 'witness'));
    await federation.writeKeys('bank', false);
    expect(await codeOf(federation.start('bank'))).toBe('witness-state-missing');
  });

  it('stops when keys from an old backup meet their own ticks on the ledger', async () => {
    federation = await Federation.create(withKeepers);
    await rm(join(federation.home('bank'), 'witness'));
    await federation.writeKeys('bank', false);
    const { client } = await federation.start('bank');
    await eventually(async () => !(await client.health()).ok);
    expect(await client.health()).toMatchObject({ ok: false, code: 'witness-key-reused' });
    const { size } = await client.health();
    const head = { size, root: new Uint8Array(32) };
    expect(await codeOf(client.cosign(head))).toBe('witness-key-reused');
  });
});

describe('a ledger that was rewritten while the gateway was down', () => {
  const rewritten: [string, (events: Uint8Array[]) => Uint8Array[]][] = [
    ['cut', (events) => events.slice(0, -2)],
    ['emptied', () => []],
    ['reordered', ([a, b, ...rest]) => [b, a, ...rest] as Uint8Array[]],
    ['replaced at its end', (events) => [...events.slice(0, -1), events[0] as Uint8Array]],
  ];

  it.each(rewritten)('is caught when it was %s', async (_, keep) => {
    federation = await Federation.create(withKeepers);
    const first = await federation.start('bank');
    await settled(first);
    await federation.stop('bank');
    // A tick of its own may have come until it stopped.
    const { size } = first.gateway.follower;
    await federation.replaceLedger(keep);
    const { client, gateway } = await federation.start('bank');
    await eventually(async () => !(await client.health()).ok);
    expect(await client.health()).toMatchObject({ ok: false, code: 'ledger-history-changed' });
    const head = { size, root: gateway.follower.tree.root(size) };
    expect(await codeOf(client.cosign(head))).toBe('ledger-history-changed');
    expect(await codeOf(client.checkpoint())).toBe('ledger-history-changed');
    // What was there is still there to be read.
    expect((await client.entries(0)).size).toBe(size);
  });

  it('is not blamed when nothing changed but its length', async () => {
    federation = await Federation.create(withKeepers);
    await federation.start('bank');
    await federation.stop('bank');
    await federation.world.formEpoch();
    await federation.publish();
    const { client, gateway } = await federation.start('bank');
    await eventually(() => gateway.follower.size === federation.ledger.ledger.head().size);
    expect(await client.health()).toMatchObject({ ok: true });
  });
});

describe('a copy that the disk damaged', () => {
  const damage: [string, string, RegExp][] = [
    ['an event', 'entries.log', /^ledger-/],
    ['the checkpoint', 'checkpoint', /^ledger-/],
  ];

  it.each(damage)('refuses to start on %s, and changes nothing', async (_, file, code) => {
    federation = await Federation.create(withKeepers);
    const first = await federation.start('bank');
    await settled(first);
    await federation.stop('bank');
    const path = join(federation.home('bank'), 'log', file);
    const sound = await readFile(path);
    await cp(path, join(federation.root, 'kept'));
    const bent = Buffer.from(sound);
    const at = Math.floor(bent.length / 2);
    bent[at] = (bent[at] as number) ^ 0x01;
    await writeFile(path, bent);
    expect(await codeOf(federation.start('bank'))).toMatch(code);
    expect(await readFile(path)).toEqual(bent);
    await writeFile(path, sound);
    expect((await (await federation.start('bank')).client.health()).ok).toBe(true);
  });
});

it('says that its address is taken, and can be started once it is free', async () => {
  federation = await Federation.create(withKeepers);
  const { url } = await federation.start('bank');
  const path = join(federation.home('hospital'), 'gateway.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...config, port: Number(new URL(url).port) }));
  expect(await codeOf(federation.start('hospital'))).toBe('gateway-address-taken');
  await federation.stop('bank');
  expect((await (await federation.start('hospital')).client.health()).name).toBe('hospital');
});
