// SPDX-License-Identifier: Apache-2.0
// The ledger on files against a plain array, on a disk that fails and forgets.
import { isCoded, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { MerkleTree, parseBundle } from '@cloister/tlog';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fault, MemoryFs } from '../testing/memory-fs.ts';
import { fsck } from './fsck.ts';
import { EVENT_SIZE_MAX, LogLedger } from './index.ts';

const origin = `cloister/${'ab'.repeat(32)}`;
const folder = '/ledger';
const open = (fs: MemoryFs) => LogLedger.open({ folder, origin, fs });
const check = (fs: MemoryFs) => fsck({ folder, origin, fs });
const event = (n: number, size = 40) => utf8(`event ${n} `.padEnd(size, '.'));

async function all(ledger: LogLedger): Promise<Uint8Array[]> {
  const out: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const page = await ledger.read(at, 100);
    if (page.events.length === 0) return out;
    out.push(...page.events);
    at = page.next;
  }
}

function rootOf(events: readonly Uint8Array[]): Uint8Array {
  const tree = new MerkleTree(nodeCrypto);
  for (const e of events) tree.append(e);
  return tree.root();
}

describe('the ledger on files', () => {
  it('keeps the order and content of an array, over reopenings', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ do: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const fs = new MemoryFs();
        const model: Uint8Array[] = [];
        let ledger = await open(fs);
        for (const s of steps) {
          if (s.do === 'append') {
            const fresh = Array.from({ length: s.count }, (_, i) => event(model.length + i));
            const acks = await Promise.all(fresh.map((e) => ledger.append(e)));
            expect(acks.map((a) => a.seq)).toEqual(fresh.map((_, i) => model.length + i));
            model.push(...fresh);
          } else {
            await ledger.close();
            ledger = await open(fs);
            expect(ledger.recovery).toEqual({ tornBytes: 0, tilesWritten: 0 });
          }
          expect(await ledger.size()).toBe(model.length);
        }
        expect(await all(ledger)).toEqual(model);
        expect(ledger.head()).toEqual({ size: model.length, root: rootOf(model) });
        await ledger.close();
        expect((await check(fs)).problems).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it('shares syncs among concurrent appends', async () => {
    const fs = new MemoryFs();
    const ledger = await open(fs);
    const before = fs.operations;
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => ledger.append(event(i))));
    await ledger.close();
    expect(fs.operations - before).toBeLessThan(20);
  });

  it('answers a repeated append with its first position, if told to', async () => {
    const fs = new MemoryFs();
    const openMatching = () => LogLedger.open({ folder, origin, fs, repeatWindow: 2 });
    let ledger = await openMatching();
    const twice = await Promise.all([ledger.append(event(1)), ledger.append(event(1))]);
    expect(twice.map((a) => a.seq)).toEqual([0, 0]);
    await ledger.append(event(2));
    await ledger.close();
    ledger = await openMatching();
    expect((await ledger.append(event(2))).seq).toBe(1);
    expect(await ledger.size()).toBe(2);
    await ledger.append(event(3));
    expect((await ledger.append(event(1))).seq).toBe(3);
    await ledger.close();
    const plainly = await open(fs);
    expect((await plainly.append(event(1))).seq).toBe(4);
    expect((await plainly.append(event(1))).seq).toBe(5);
  });

  it('commits appends that follow each other in microtasks', async () => {
    const ledger = await open(new MemoryFs());
    for (let hops = 0; hops < 12; hops++) {
      await ledger.append(event(2 * hops));
      for (let i = 0; i < hops; i++) await Promise.resolve();
      expect((await ledger.append(event(2 * hops + 1))).seq).toBe(2 * hops + 1);
    }
  });

  it('serves tiles, bundles and pages within bounds', async () => {
    const ledger = await open(new MemoryFs());
    const events = Array.from({ length: 300 }, (_, i) => event(i));
    await Promise.all(events.map((e) => ledger.append(e)));
    const bundle = await ledger.readTile({ level: 'entries', index: 1, width: 44 });
    expect(parseBundle(bundle, 44)).toEqual(events.slice(256));
    expect((await ledger.readTile({ level: 0, index: 0, width: 256 })).length).toBe(8192);
    const tooWide = ledger.readTile({ level: 'entries', index: 1, width: 45 });
    await rejected(tooWide, 'tile-not-found');
    expect(await ledger.read(300, 10)).toEqual({ events: [], next: 300 });
    expect(await ledger.read(10 ** 9, 10)).toEqual({ events: [], next: 10 ** 9 });
    const big = Array.from({ length: 70 }, (_, i) => event(1000 + i, EVENT_SIZE_MAX));
    await Promise.all(big.map((e) => ledger.append(e)));
    const page = await ledger.read(300, 1_000);
    expect(page.events.length).toBeLessThan(70);
    expect(page.events[0]).toEqual(big[0]);
    for (const [from, limit] of [
      [-1, 1],
      [0.5, 1],
      [0, 0],
      [0, Number.NaN],
    ] as const) {
      await rejected(ledger.read(from, limit), 'position-invalid');
    }
  });

  it('refuses empty, oversized and late events, a second writer and another origin', async () => {
    const fs = new MemoryFs();
    const ledger = await open(fs);
    await rejected(ledger.append(new Uint8Array()), 'event-empty');
    await rejected(ledger.append(new Uint8Array(EVENT_SIZE_MAX + 1)), 'event-too-large');
    await rejected(open(fs), 'ledger-locked');
    await ledger.close();
    await rejected(ledger.append(event(1)), 'ledger-closed');
    await rejected(LogLedger.open({ folder, origin: 'other', fs }), 'ledger-origin-mismatch');
    const small = await LogLedger.open({ folder, origin, fs, bytesMax: 400 });
    await small.append(event(1));
    const rest = await Promise.allSettled(
      [event(2, 300), event(3, 300)].map((e) => small.append(e)),
    );
    expect(rest.map((r) => r.status)).toEqual(['rejected', 'rejected']);
    await rejected(small.append(event(4, 300)), 'ledger-full');
    expect((await small.append(event(5))).seq).toBe(1);
  });

  it('is bounded while the disk is slow', async () => {
    const ledger = await open(new MemoryFs());
    const many = Array.from({ length: 20_001 }, (_, i) => ledger.append(event(i)));
    const last = await (many.at(-1) as Promise<unknown>).catch((e: unknown) => e);
    expect(isCoded(last, 'ledger-overloaded')).toBe(true);
    await Promise.all(many.slice(0, -1));
  });

  it('follows: old events, then new ones, until told to stop', async () => {
    const ledger = await open(new MemoryFs());
    await ledger.append(event(0));
    const stop = new AbortController();
    const seen: number[] = [];
    const reader = (async () => {
      for await (const entry of ledger.follow(0, stop.signal)) {
        expect(entry.event).toEqual(event(entry.seq));
        seen.push(entry.seq);
        if (seen.length === 50) stop.abort();
      }
    })();
    for (let i = 1; i < 60; i++) await ledger.append(event(i));
    await reader;
    expect(seen).toEqual([...Array(50).keys()]);
    const endless = new AbortController();
    const waiting = ledger.follow(60, endless.signal).next();
    endless.abort();
    expect((await waiting).done).toBe(true);
    const cut = ledger.follow(60, new AbortController().signal).next();
    await ledger.close();
    await rejected(cut, 'ledger-closed');
  });
});

describe('a disk that fails', () => {
  /** Appends in rounds; answers what was acknowledged. Errors must be coded. */
  async function work(fs: MemoryFs): Promise<Uint8Array[]> {
    const acknowledged: Uint8Array[] = [];
    let ledger: LogLedger;
    try {
      ledger = await open(fs);
    } catch (error) {
      expect(isCoded(error), String(error)).toBe(true);
      return acknowledged;
    }
    for (let round = 0; round < 6; round++) {
      const events = Array.from({ length: 50 }, (_, i) => event(round * 50 + i));
      const outcomes = await Promise.allSettled(events.map((e) => ledger.append(e)));
      outcomes.forEach((outcome, i) => {
        if (outcome.status === 'fulfilled')
          acknowledged[outcome.value.seq] = events[i] as Uint8Array;
        else expect(isCoded(outcome.reason), String(outcome.reason)).toBe(true);
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ledger.close();
    return acknowledged;
  }

  async function expectKept(fs: MemoryFs, acknowledged: readonly Uint8Array[]): Promise<void> {
    const ledger = await open(fs);
    const kept = await all(ledger);
    expect(kept.slice(0, acknowledged.length)).toEqual(acknowledged);
    await ledger.append(event(9_999));
    await ledger.close();
    expect((await check(fs)).problems).toEqual([]);
  }

  const plain = async (): Promise<number> => {
    const fs = new MemoryFs();
    await work(fs);
    return fs.operations;
  };

  const faults = [
    ['before', 'EIO'],
    ['after', 'EIO'],
    ['half', 'ENOSPC'],
  ] as const;
  for (const [when, errno] of faults) {
    it(`once, ${when} the change (${errno}): goes on and loses nothing`, async () => {
      const count = await plain();
      expect(count).toBeGreaterThan(20);
      for (let at = 1; at <= count; at++) {
        const fs = new MemoryFs();
        fs.fail({ at, when, errno });
        const acknowledged = await work(fs);
        // Opening may fail as a whole; after it, at most one round of six may.
        expect(acknowledged.length, `operation ${at}`).toBeGreaterThanOrEqual(at < 10 ? 0 : 250);
        await expectKept(fs, acknowledged);
      }
    });
  }

  it('cuts off what failed before it writes anything else', async () => {
    const fs = new MemoryFs();
    const ledger = await open(fs);
    fs.fail({ at: fs.operations + 2, when: 'before', errno: 'EIO' });
    const failed = [event(1), event(2)].map((e) => ledger.append(e));
    for (const append of failed) await rejected(append, 'ledger-io-failed');
    expect((await ledger.append(event(3))).seq).toBe(0);
    await ledger.close();
    expect(await all(await open(fs))).toEqual([event(3)]);
  });

  it('for good, with a power cut at any operation: nothing acknowledged is lost', async () => {
    const count = await plain();
    const fault = fc.record({
      at: fc.integer({ min: 1, max: count }),
      when: fc.constantFrom('before' as const, 'after' as const, 'half' as const),
    });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fault, shares, async (f, list) => {
        const fs = new MemoryFs();
        fs.fail({ ...f, errno: 'EIO', dead: true } satisfies Fault);
        const acknowledged = await work(fs);
        let i = 0;
        fs.crash(() => list[i++ % list.length] as number);
        await expectKept(fs, acknowledged);
      }),
      { numRuns: 80 },
    );
  });
});

describe('damage, each with its own code', () => {
  const events = Array.from({ length: 600 }, (_, i) => event(i));
  const filled = async () => {
    const fs = new MemoryFs();
    const ledger = await open(fs);
    await Promise.all(events.map((e) => ledger.append(e)));
    await ledger.close();
    return fs;
  };
  const flip = (at: number) => (bytes: Uint8Array) => {
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };
  const entries = `${folder}/entries.log`;
  const checkpoint = `${folder}/checkpoint`;

  it('names every file that it keeps', async () => {
    const tiles = ['000', '001'].map((n) => `${folder}/tile/0/${n}`);
    expect((await filled()).paths()).toEqual([checkpoint, entries, ...tiles]);
  });

  const cases: [string, string, string, (bytes: Uint8Array) => Uint8Array | undefined][] = [
    ['a flipped bit in a record', 'ledger-acknowledged-lost', entries, flip(5_000)],
    ['a cut file of events', 'ledger-acknowledged-lost', entries, (b) => b.subarray(0, 9_000)],
    ['no events', 'ledger-acknowledged-lost', entries, () => new Uint8Array()],
    ['no file of events', 'ledger-acknowledged-lost', entries, () => undefined],
    ['another file', 'ledger-format-unknown', entries, flip(0)],
    ['a corrupt tile', 'ledger-tile-damaged', `${folder}/tile/0/001`, flip(77)],
    ['a cut tile', 'ledger-tile-damaged', `${folder}/tile/0/000`, (b) => b.subarray(1)],
    ['a cut checkpoint', 'ledger-checkpoint-damaged', checkpoint, (b) => b.subarray(0, 80)],
    [
      'a checkpoint that is no text',
      'ledger-checkpoint-damaged',
      checkpoint,
      () => new Uint8Array([255]),
    ],
    ['a checkpoint of another log', 'ledger-origin-mismatch', checkpoint, flip(12)],
  ];
  for (const [what, code, path, change] of cases) {
    it(`${what}: ${code}`, async () => {
      const fs = await filled();
      fs.tamper(path, change);
      await rejected(open(fs), code);
      await rejected(open(fs), code);
      if (path !== entries || !code.includes('lost')) {
        const report = await check(fs);
        expect(report.ok).toBe(false);
        expect(report.problems.map((p) => p.code)).toContain(code);
      } else {
        expect((await check(fs)).ok).toBe(false);
      }
    });
  }

  it('another history under the old checkpoint: ledger-history-changed', async () => {
    const [fs, other] = [await filled(), new MemoryFs()];
    const ledger = await open(other);
    for (const e of events) void ledger.append(e[8] === 0x33 ? utf8('replaced') : e);
    while ((await ledger.size()) < 500) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(events.map((_, i) => ledger.append(event(10_000 + i))));
    const head = ledger.head(600);
    await ledger.close();
    const forged = await other.readFile(entries);
    fs.tamper(entries, () => forged);
    await rejected(open(fs), 'ledger-history-changed');
    expect((await check(fs)).problems.map((p) => p.code)).toContain('ledger-history-changed');
    const report = await fsck({ folder, origin, fs: await filled(), heads: [head] });
    expect(report.problems.map((p) => p.code)).toEqual(['ledger-history-changed']);
    const ahead = { size: 601, root: head.root };
    const short = await fsck({ folder, origin, fs: await filled(), heads: [ahead] });
    expect(short.problems.map((p) => p.code)).toEqual(['ledger-acknowledged-lost']);
  });

  it('changes nothing when it only checks, not even where there is nothing', async () => {
    const fs = new MemoryFs();
    const report = await check(fs);
    expect(report.problems.map((p) => p.code)).toEqual(['ledger-format-unknown']);
    expect(fs.paths()).toEqual([]);
    const full = await filled();
    const before = full.operations;
    await check(full);
    expect(full.operations).toBe(before);
  });

  it('cuts a torn tail, writes missing tiles, and says so', async () => {
    const fs = await filled();
    fs.tamper(entries, (b) => new Uint8Array([...b, 0, 0, 0, 40, 1, 2, 3]));
    fs.tamper(`${folder}/tile/0/000`, () => undefined);
    expect((await check(fs)).problems.map((p) => p.code)).toEqual(['torn-tail', 'tile-missing']);
    const ledger = await open(fs);
    expect(ledger.recovery).toEqual({ tornBytes: 7, tilesWritten: 1 });
    expect(await all(ledger)).toEqual(events);
    await ledger.close();
    expect((await check(fs)).problems).toEqual([]);
  });

  it('notices rot while it runs', async () => {
    const fs = new MemoryFs();
    const ledger = await open(fs);
    await Promise.all(events.map((e) => ledger.append(e)));
    fs.tamper(entries, flip(5_000));
    await rejected(ledger.read(0, 1_000), 'ledger-damaged');
    expect((await ledger.read(500, 10)).events).toEqual(events.slice(500, 510));
  });
});

async function rejected(promise: Promise<unknown>, wanted: string): Promise<void> {
  const got = await promise.then(
    () => 'no error',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );
  expect(got).toBe(wanted);
}
