// SPDX-License-Identifier: Apache-2.0
// Notes, checkpoints, cosignatures and freshness: round trips, every single-field change, hostile
// bytes.
import { isCoded, toBase64, utf8 } from '@cloister/core';
import { ed25519Signer, nodeCrypto } from '@cloister/core/node';
import { webCrypto } from '@cloister/core/web';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  cosign,
  type FreshnessStatement,
  formatCheckpoint,
  formatFreshness,
  formatNote,
  gatherCosignatures,
  gatherFreshness,
  logOrigin,
  mergeNotes,
  type NoteSignature,
  parseCheckpoint,
  parseFreshness,
  parseNote,
  signFreshness,
  verifyCheckpoint,
  verifyFreshness,
} from './index.ts';

const genesis = new Uint8Array(32).fill(0x3b);
const origin = logOrigin(genesis);
const checkpoint = { origin, size: 4711, root: new Uint8Array(32).fill(7) };
const seeds = [1, 2, 3, 4].map((n) => new Uint8Array(32).fill(n));
const signers = seeds.map(ed25519Signer);
const witnesses = signers.map((signer, i) => ({ name: `witness.example/w${i}`, key: signer.key }));
const policy = { origin, witnesses, quorum: 3, required: ['witness.example/w1'] };
const by = (i: number, timeSeconds = 1_700_000_000 + i) => ({
  name: (witnesses[i] as { name: string }).name,
  signer: signers[i] as (typeof signers)[number],
  timeSeconds,
});
const lines = (who: readonly number[]): Promise<NoteSignature[]> =>
  Promise.all(who.map((i) => cosign(nodeCrypto, by(i), checkpoint)));
const noteOf = async (who: readonly number[]) =>
  formatNote(formatCheckpoint(checkpoint), await lines(who));

describe('cosigned checkpoints', () => {
  // The expected line was made by other tools: Python's hashlib and OpenSSL's pkeyutl.
  it('has exactly this form', async () => {
    expect(await noteOf([0])).toBe(
      [
        `cloister/${'3b'.repeat(32)}`,
        '4711',
        'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=',
        '',
        '\u2014 witness.example/w0 BqcAGAAAAABlU/EAOb+NyT8MTuCQ5ccqBJIJdJCgOP0+zXTPhO' +
          'Saz++MpvXH9sBtQ7LEoPR5LOdut6bwGX69iHkTJyk2YgDXJxSVAA==',
        '',
      ].join('\n'),
    );
  });

  it('counts named witnesses, in Node and with WebCrypto alike', async () => {
    const note = await noteOf([0, 1, 3]);
    for (const crypto of [nodeCrypto, webCrypto]) {
      const got = await verifyCheckpoint(crypto, utf8(note), policy);
      expect(got).toMatchObject(checkpoint);
      expect(got.times.map((t) => t.timeSeconds - 1_700_000_000)).toEqual([0, 1, 3]);
    }
    const merged = mergeNotes(await noteOf([0, 1]), await noteOf([1, 3]));
    expect(merged).toBe(note);
  });

  it('gathers what holds and passes over everything else', async () => {
    const honest = await Promise.all([0, 1, 3].map((i) => noteOf([i])));
    const forged = (await noteOf([2])).replace(/AAAABlU/, 'AAAABlV');
    const other = formatNote(formatCheckpoint({ ...checkpoint, size: 1 }), await lines([2]));
    const notes = [forged, 'garbage', other, ...honest, honest[0] as string];
    const got = await gatherCosignatures(nodeCrypto, notes, { checkpoint, witnesses });
    expect(got.note).toBe(await noteOf([0, 1, 3]));
    expect(got.times.map((t) => t.name)).toEqual([0, 1, 3].map((i) => by(i).name));
    const nobody = await gatherCosignatures(nodeCrypto, [forged], { checkpoint, witnesses });
    expect(nobody).toEqual({ note: undefined, times: [] });
  });

  it('gathers no line under another name than the key has', async () => {
    const as = { ...by(0), name: 'witness.example/w1' };
    const misnamed = await cosign(nodeCrypto, as, checkpoint);
    const note = formatNote(formatCheckpoint(checkpoint), [misnamed]);
    const got = await gatherCosignatures(nodeCrypto, [note], { checkpoint, witnesses });
    expect(got).toEqual({ note: undefined, times: [] });
  });

  it('takes a fault of its own for nobody’s bad signature', async () => {
    const verifyEd25519 = () => Promise.reject(new TypeError('no signatures here'));
    const crypto = { ...nodeCrypto, verifyEd25519 };
    const gathered = gatherCosignatures(crypto, [await noteOf([0])], { checkpoint, witnesses });
    await expect(gathered).rejects.toThrow(TypeError);
  });

  it('are signed only at a time that can be written', async () => {
    for (const seconds of [-1, 1.5, Number.NaN, 2 ** 53]) {
      await rejected(cosign(nodeCrypto, by(0, seconds), checkpoint), 'cosignature-malformed');
    }
  });

  it('refuses too few, the required one missing, duplicates, forged and foreign ones', async () => {
    const text = formatCheckpoint(checkpoint);
    const [a, b, , d] = (await lines([0, 1, 2, 3])) as [
      NoteSignature,
      NoteSignature,
      NoteSignature,
      NoteSignature,
    ];
    const forged = { ...d, signature: d.signature.map((x, i) => (i === 20 ? x ^ 1 : x)) };
    const retimed = { ...d, signature: d.signature.map((x, i) => (i === 7 ? x ^ 1 : x)) };
    const farFuture = { ...d, signature: d.signature.map((x, i) => (i === 0 ? 0xff : x)) };
    const short = { ...d, signature: d.signature.subarray(1) };
    const again = await cosign(nodeCrypto, by(0, 1), checkpoint);
    const strangers = await cosign(
      nodeCrypto,
      { ...by(3), name: 'witness.example/w9' },
      checkpoint,
    );
    const cases: [string, readonly NoteSignature[]][] = [
      ['quorum-not-met', [a, b]],
      ['quorum-not-met', [a, b, strangers]],
      ['quorum-not-met', [a, b, { ...d, keyId: a.keyId }]],
      ['required-witness-missing', (await lines([0, 2, 3])) as NoteSignature[]],
      ['cosignature-duplicate', [a, b, again]],
      ['cosignature-duplicate', [a, b, d, a]],
      ['cosignature-invalid', [a, b, forged]],
      ['cosignature-invalid', [a, b, retimed]],
      ['cosignature-malformed', [a, b, farFuture]],
      ['cosignature-malformed', [a, b, short]],
    ];
    for (const [code, signatures] of cases) {
      await rejected(verifyCheckpoint(nodeCrypto, formatNote(text, signatures), policy), code);
    }
    const other = policy.witnesses.map((w) => ({ ...w }));
    await rejected(
      verifyCheckpoint(nodeCrypto, await noteOf([0, 1, 3]), { ...policy, origin: 'x' }),
      'checkpoint-origin-mismatch',
    );
    const bad = [
      { ...policy, quorum: 0 },
      { ...policy, quorum: 5 },
      { ...policy, quorum: 1.5 },
      { ...policy, required: ['nobody'] },
      { ...policy, witnesses: [...other, { name: 'new', key: witnesses[0]?.key as Uint8Array }] },
      { ...policy, witnesses: [...other, { name: 'witness.example/w0', key: genesis }] },
    ];
    for (const set of bad) {
      await rejected(
        verifyCheckpoint(nodeCrypto, await noteOf([0, 1, 3]), set),
        'witness-set-invalid',
      );
    }
  });

  it('gives a coded error for any truncation and any changed character', async () => {
    const note = await noteOf([0, 1, 2]);
    await fc.assert(
      fc.asyncProperty(fc.nat(note.length - 1), fc.boolean(), async (at, cut) => {
        const changed = String.fromCharCode((note.charCodeAt(at) % 0x7000) + 1);
        const bad = cut ? note.slice(0, at) : note.slice(0, at) + changed + note.slice(at + 1);
        const got = await verifyCheckpoint(nodeCrypto, bad, policy).catch((e: unknown) => e);
        expect(isCoded(got), String(got)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws anything else on hostile bytes', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(bytes, async (junk) => {
        const got = await verifyCheckpoint(nodeCrypto, junk, policy).catch((e: unknown) => e);
        expect(isCoded(got)).toBe(true);
      }),
    );
    const huge = `${'x\n'.repeat(200_000)}\n`;
    expect(code(() => parseNote(huge))).toBe('note-malformed');
  });

  it('are not called malformed for a fault of ours', () => {
    const statement = { checkpoint, challenges: [new Uint8Array(32)] };
    const texts = [formatCheckpoint(checkpoint), formatFreshness(statement)] as const;
    const [head, fresh] = texts;
    let fails = 1;
    const { btoa } = globalThis;
    vi.spyOn(globalThis, 'btoa').mockImplementation((text) => {
      fails -= 1;
      if (fails === 0) throw new TypeError('ours');
      return btoa(text);
    });
    expect(() => parseCheckpoint(head)).toThrow(TypeError);
    // The second that is read of a freshness note is its challenge.
    fails = 2;
    expect(() => parseFreshness(fresh)).toThrow(TypeError);
    vi.restoreAllMocks();
  });

  it('parses one form of a checkpoint only', () => {
    const good = formatCheckpoint(checkpoint);
    expect(parseCheckpoint(good)).toEqual(checkpoint);
    const [a, b, c] = good.split('\n') as [string, string, string];
    const bad = [
      good.trimEnd(),
      `${good}extension\n`,
      `${good}extension`,
      `${good}\nextension\n`,
      `${'o'.repeat(256)}\n${b}\n${c}\n`,
      ` ${good}`,
      `${a}\n0${b}\n${c}\n`,
      `${a}\n-1\n${c}\n`,
      `${a}\n9007199254740992\n${c}\n`,
      `${a}\n1e3\n${c}\n`,
      `${a}\n${b}\n${c.slice(0, -1)}\n`,
      `${a}\n${b}\n${toBase64(genesis.subarray(1))}\n`,
      `\n${b}\n${c}\n`,
      good.replaceAll('\n', '\r\n'),
      '',
    ];
    for (const text of bad) expect(code(() => parseCheckpoint(text))).toBe('checkpoint-malformed');
    const unwritable = [{ size: -1 }, { origin: 'a\nb' }, { root: genesis.subarray(1) }];
    for (const change of unwritable) {
      const written = () => formatCheckpoint({ ...checkpoint, ...change });
      expect(code(written)).toBe('checkpoint-malformed');
    }
    expect(code(() => logOrigin(genesis.subarray(1)))).toBe('checkpoint-malformed');
    const names = ['', 'a b', 'a+b', 'a\tb', 'a'.repeat(256)];
    for (const name of names) {
      const signature = { name, keyId: new Uint8Array(4), signature: new Uint8Array(72) };
      expect(code(() => formatNote(good, [signature]))).toBe('key-name-malformed');
    }
  });
});

describe('freshness notes', () => {
  const challenges = [5, 3, 9].map((n) => new Uint8Array(32).fill(n));
  const challenge = challenges[0] as Uint8Array;
  const statement: FreshnessStatement = { checkpoint, challenges };
  const expectation = { genesis, challenge, witnesses, quorum: 3, required: [] };
  const freshNote = async (who: readonly number[], s = statement) =>
    formatNote(
      formatFreshness(s),
      await Promise.all(who.map((i) => signFreshness(nodeCrypto, by(i), s))),
    );

  it('proves one head to everyone whose challenge is in it', async () => {
    const note = await freshNote([0, 1, 2]);
    const got = await verifyFreshness(nodeCrypto, note, expectation);
    expect(got).toMatchObject({ size: 4711, root: checkpoint.root });
    expect(got.challenges.map((c) => c[0])).toEqual([3, 5, 9]);
    expect(got.times.length).toBe(3);
    expect(parseFreshness(parseNote(note).text).checkpoint).toEqual(checkpoint);
  });

  it('gathers signatures of one statement', async () => {
    const notes = [await freshNote([2]), 'garbage', await freshNote([0, 1])];
    const got = await gatherFreshness(nodeCrypto, notes, { statement, witnesses });
    expect(got.times.length).toBe(3);
    expect((await verifyFreshness(nodeCrypto, got.note ?? '', expectation)).size).toBe(4711);
  });

  it('refuses what was not asked for, another charter, and mixed heads', async () => {
    const note = await freshNote([0, 1, 2]);
    const missing = { ...expectation, challenge: genesis };
    await rejected(verifyFreshness(nodeCrypto, note, missing), 'freshness-challenge-missing');
    const elsewhere = { ...expectation, genesis: new Uint8Array(32) };
    await rejected(verifyFreshness(nodeCrypto, note, elsewhere), 'freshness-genesis-mismatch');
    const ahead = { ...statement, checkpoint: { ...checkpoint, size: 4712 } };
    const odd = await signFreshness(nodeCrypto, by(2), ahead);
    const two = await freshNote([0, 1]);
    const mixed = formatNote(parseNote(two).text, [...parseNote(two).signatures, odd]);
    await rejected(verifyFreshness(nodeCrypto, mixed, expectation), 'cosignature-invalid');
    await rejected(verifyFreshness(nodeCrypto, two, expectation), 'quorum-not-met');
  });

  it('keeps freshness signatures and cosignatures apart', async () => {
    const asCheckpoint = formatNote(formatCheckpoint(checkpoint), [
      ...(await lines([0, 1])),
      await signFreshness(nodeCrypto, by(2), statement),
    ]);
    await rejected(verifyCheckpoint(nodeCrypto, asCheckpoint, policy), 'quorum-not-met');
    const relabelled = (await lines([2])).map((line) => ({
      ...line,
      keyId: (parseNote(asCheckpoint).signatures[2] as NoteSignature).keyId,
    }));
    const asFresh = formatNote(formatFreshness(statement), [
      ...parseNote(await freshNote([0, 1])).signatures,
      ...relabelled,
    ]);
    await rejected(verifyFreshness(nodeCrypto, asFresh, expectation), 'cosignature-invalid');
  });

  it('parses one form only', () => {
    const text = formatFreshness(statement);
    const all = text.split('\n');
    const swapped = [...all.slice(0, 4), all[5], all[4], ...all.slice(6)].join('\n');
    const doubled = [...all.slice(0, 5), ...all.slice(4)].join('\n');
    const head = `${all[0]}\n`;
    const short = text.replace('challenge ', 'challenge A');
    // The last character of 32 bytes in base64 has two bits that must be zero.
    const loose = text.replace(/.=\n$/, 'B=\n');
    const none = `${all.slice(0, 4).join('\n')}\n`;
    for (const bad of [
      swapped,
      doubled,
      none,
      `${text}x\n`,
      text.replace('v1', 'v2'),
      '',
      head,
      short,
      loose,
    ]) {
      expect(code(() => parseFreshness(bad))).toBe('freshness-malformed');
    }
    expect(() => parseFreshness(short)).toThrow(/not a challenge of 32 bytes/);
    const numbered = Array.from({ length: 257 }, (_, i) => {
      return Uint8Array.from({ length: 32 }, (_byte, at) => (at === 0 ? i >> 8 : at === 1 ? i : 0));
    });
    expect(formatFreshness({ checkpoint, challenges: numbered.slice(1) })).toMatch(/challenge/);
    for (const list of [[], [genesis, genesis], [genesis.subarray(1)], numbered]) {
      expect(code(() => formatFreshness({ checkpoint, challenges: list }))).toBe(
        'freshness-malformed',
      );
    }
  });
});

function code(f: () => unknown): string {
  try {
    f();
    return 'no error';
  } catch (error) {
    return isCoded(error) ? error.code : String(error);
  }
}

async function rejected(promise: Promise<unknown>, wanted: string): Promise<void> {
  const got = await promise.then(
    () => 'no error',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );
  expect(got).toBe(wanted);
}
