// SPDX-License-Identifier: Apache-2.0
// Deals on the wire and complaints about them: true ones are upheld, false ones are not, and a
// complaint cannot be used to read another dealer's deal.
import { encodeCbor } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  committee,
  dealsTo,
  EPOCH,
  filled,
  GENESIS,
  seeded,
} from '../../testing/committee.ts';
import {
  complaintStatement,
  encodeComplaint,
  judgeComplaint,
  parseComplaint,
} from '../complaint.ts';
import { type DealContext, dealLabel } from '../deal.ts';
import { invertModOrder } from '../lagrange.ts';
import { encodePoint, integerToScalar, parsePoint, toInteger } from '../point.ts';
import { encodeSealedKey, parseSealedKey } from '../sealed-key.ts';
import { complain } from './complain.ts';
import { openDeal, sealDeal } from './deal.ts';
import { generateHpkeKeyPair, openWithDh } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { proveDleqBatch, proveSchnorr } from './prove.ts';
import { randomScalar } from './secret.ts';

const c = committee({ n: 3, t: 2 });
const DEALER = 1;
const RECIPIENT = 2;
const keyPair = generateHpkeKeyPair(seeded('recipient'));
const random = seeded('deals');
const reveal = c.dealings[DEALER - 1]?.reveal as Uint8Array;
const rightDeal = dealsTo(RECIPIENT, c.dealings)[DEALER - 1]?.deal as Uint8Array;
const context: DealContext = {
  genesis: GENESIS,
  epoch: EPOCH,
  dealer: DEALER,
  recipient: RECIPIENT,
  recipientKey: keyPair.publicKey,
};

const sealed = (deal: Uint8Array, change: Partial<DealContext> = {}) =>
  sealDeal({ ...context, ...change, deal, random });

const open = (sealed: Uint8Array, change: object = {}) =>
  openDeal({ ...context, sealed, keyPair, ...change });

const judge = (complaint: Uint8Array, change: object = {}) =>
  judgeComplaint({
    genesis: GENESIS,
    epoch: EPOCH,
    seat: RECIPIENT,
    against: DEALER,
    complaint,
    ...change,
  });

const complainAbout = (sealed: Uint8Array) =>
  complain({ ...context, reveal, sealed, keyPair, random });

describe('a deal', () => {
  test('opens at its seat', () => {
    expect(open(sealed(rightDeal))).toEqual(rightDeal);
  });

  test('of another charter, epoch, dealer, seat or key is refused', () => {
    const deal = sealed(rightDeal);
    for (const change of [
      { genesis: filled(1) },
      { epoch: filled(1) },
      { dealer: 2 },
      { recipient: 3 },
      { keyPair: generateHpkeKeyPair(seeded('another')) },
    ]) {
      expect(codeOf(() => open(deal, change))).toBe('pi-invalid');
    }
  });

  test('survives no truncation and no bit flip', () => {
    const deal = sealed(rightDeal);
    for (let i = 0; i < deal.length; i++) {
      expect(codeOf(() => open(deal.slice(0, i)))).toBe('sealed-key-malformed');
      const bent = Uint8Array.from(deal);
      bent[i] = (bent[i] as number) ^ (1 << (i % 8));
      expect(codeOf(() => open(bent))).toMatch(/^(sealed-key-|point-|pi-|proof-)/);
    }
  });
});

describe('a true complaint is upheld', () => {
  test('a value that does not fit the commitments', async () => {
    const wrong = dealsTo(3, c.dealings)[DEALER - 1]?.deal as Uint8Array;
    const dealt = sealed(wrong);
    const complaint = complainAbout(dealt);
    const verdict = await judge(complaint);
    expect(verdict.deal).toEqual(nodeCrypto.digest('sha256', dealt));
    expect(verdict).toMatchObject({ upheld: true, reason: 'deal-invalid' });
    expect(verdict.recipientKey).toEqual(keyPair.publicKey);
    expect(verdict.commit).toEqual(c.dealings[DEALER - 1]?.commit);
    expect(await judge(complaint, { curve: opensslCurve })).toEqual(verdict);
  });

  test('a ciphertext that does not open', async () => {
    const ephemeral = randomScalar(random);
    const enc = encodePoint(opensslCurve.base(ephemeral));
    const ct = filled(0x11, 48);
    const statement = { domain: 'cloister/pi/v1', context: [dealLabel(context), ct], point: enc };
    const pi = proveSchnorr(statement as never, ephemeral, random);
    const dealt = encodeSealedKey({ enc, ct, pi });
    expect(codeOf(() => open(dealt))).toBe('hpke-open-failed');
    expect(await judge(complainAbout(dealt))).toMatchObject({
      upheld: true,
      reason: 'hpke-open-failed',
    });
  });

  test('a sealed part without its form, or without a right pi, and nothing is opened', async () => {
    const good = parseSealedKey(sealed(rightDeal));
    const cases: [Uint8Array, string][] = [
      [filled(1, 5), 'sealed-key-malformed'],
      [encodeSealedKey({ ...good, pi: new Uint8Array(64) }), 'proof-malformed'],
      [encodeSealedKey({ ...good, ct: filled(9, 48) }), 'pi-invalid'],
      [encodeSealedKey({ ...good, enc: Uint8Array.of(0) }), 'point-infinity'],
    ];
    for (const [part, reason] of cases) {
      expect(codeOf(() => open(part))).toBe(reason);
      const complaint = complainAbout(part);
      expect(parseComplaint(complaint).opened).toBeUndefined();
      expect(await judge(complaint)).toMatchObject({ upheld: true, reason });
    }
  });
});

describe('a false complaint is not upheld', () => {
  test('about a right deal', async () => {
    const verdict = await judge(complainAbout(sealed(rightDeal)));
    expect(verdict).toMatchObject({ upheld: false, reason: 'deal-valid' });
  });

  test('with a wrong dh, with another’s proof or with none', async () => {
    const honest = parseComplaint(complainAbout(sealed(rightDeal)));
    const { point, proof } = honest.opened as { point: Uint8Array; proof: Uint8Array };
    const wrong = encodePoint(parsePoint(point).negate());
    const opened = [
      { point: wrong, proof },
      { point, proof: filled(1, 64) },
      { point: new Uint8Array(65), proof },
      { point: encodePoint(parsePoint(point).double()), proof },
    ];
    for (const change of opened) {
      const verdict = await judge(encodeComplaint({ ...honest, opened: change }));
      expect(verdict).toMatchObject({ upheld: false, reason: 'complaint-dleq-invalid' });
    }
    const { opened: _, ...unopened } = honest;
    const verdict = await judge(encodeComplaint(unopened));
    expect(verdict).toMatchObject({ upheld: false, reason: 'complaint-not-opened' });
  });

  test('with a proof under another key than the one the dealer sealed to', async () => {
    const dealt = sealed(rightDeal);
    const { enc } = parseSealedKey(dealt);
    const secret = randomScalar(random);
    const point = encodePoint(opensslCurve.multiply(secret, parsePoint(enc)));
    const key = encodePoint(opensslCurve.base(secret));
    const statement = complaintStatement({ ...context, recipientKey: key }, enc, point);
    const proof = proveDleqBatch(statement, secret, random);
    const honest = parseComplaint(complainAbout(dealt));
    const verdict = await judge(encodeComplaint({ ...honest, opened: { point, proof } }));
    expect(verdict).toMatchObject({ upheld: false, reason: 'complaint-dleq-invalid' });
  });

  test('of another charter, epoch, dealer or seat, or with a foreign reveal', async () => {
    const wrong = dealsTo(3, c.dealings)[DEALER - 1]?.deal as Uint8Array;
    const complaint = complainAbout(sealed(wrong));
    for (const [change, reason] of [
      [{ genesis: filled(1) }, 'reveal-other-charter'],
      [{ epoch: filled(1) }, 'reveal-other-epoch'],
      [{ against: 2 }, 'reveal-other-seat'],
    ] as const) {
      const verdict = await judge(complaint, change);
      expect(verdict).toMatchObject({ upheld: false, reason });
      expect(verdict.commit).toBeUndefined();
    }
    const parsed = parseComplaint(complaint);
    const foreign: [Uint8Array, string][] = [
      [c.dealings[1]?.reveal as Uint8Array, 'reveal-other-seat'],
      [
        committee({ n: 3, t: 2, epoch: filled(2) }).dealings[0]?.reveal as Uint8Array,
        'reveal-other-epoch',
      ],
      [
        committee({ n: 3, t: 2, genesis: filled(2) }).dealings[0]?.reveal as Uint8Array,
        'reveal-other-charter',
      ],
      [filled(1), 'reveal-malformed'],
    ];
    for (const [other, reason] of foreign) {
      const verdict = await judge(encodeComplaint({ ...parsed, reveal: other }));
      expect(verdict).toMatchObject({ upheld: false, reason });
    }
  });

  test('with another reveal of the same dealer: the commit in the verdict tells', async () => {
    const twin = committee({ n: 3, t: 2, seed: 'twin' }).dealings[0];
    const parsed = parseComplaint(complainAbout(sealed(rightDeal)));
    const verdict = await judge(encodeComplaint({ ...parsed, reveal: twin?.reveal as Uint8Array }));
    expect(verdict).toMatchObject({ upheld: true, reason: 'deal-invalid' });
    expect(verdict.commit).not.toEqual(c.dealings[0]?.commit);
    expect(verdict.commit).toEqual(twin?.commit);
  });

  test('under a key of its own making: the verdict names it for the ledger', async () => {
    const own = generateHpkeKeyPair(seeded('its own'));
    const about = { ...context, reveal, sealed: sealed(rightDeal), keyPair: own, random };
    const verdict = await judge(complain(about));
    expect(verdict).toMatchObject({ upheld: true, reason: 'pi-invalid' });
    expect(verdict.recipientKey).toEqual(own.publicKey);
    const honest = parseComplaint(complainAbout(sealed(rightDeal)));
    const none = await judge(encodeComplaint({ ...honest, recipientKey: new Uint8Array(65) }));
    expect(none).toMatchObject({ upheld: false, reason: 'point-malformed' });
  });
});

describe('a complaint is no oracle', () => {
  // A dealer sends r times another dealer's enc to draw a complaint that discloses key times it.
  function bentDeal() {
    const change = { dealer: 2 };
    const victim = dealsTo(RECIPIENT, c.dealings)[1]?.deal as Uint8Array;
    const honest = parseSealedKey(sealed(victim, change));
    const r = randomScalar(random);
    const enc = encodePoint(opensslCurve.multiply(r, parsePoint(honest.enc)));
    const { ct } = honest;
    const statement = { domain: 'cloister/pi/v1', context: [dealLabel(context), ct], point: enc };
    const pi = proveSchnorr(statement as never, r, random);
    return { honest, r, victim, bent: encodeSealedKey({ enc, ct, pi }) };
  }

  test('without pi the attack works: D divided by r opens the other dealer’s deal', () => {
    const { honest, r, victim, bent } = bentDeal();
    const { enc } = parseSealedKey(bent);
    const disclosed = opensslCurve.multiply(keyPair.privateKey, parsePoint(enc));
    const inverse = integerToScalar(invertModOrder(toInteger(r)));
    const dh = encodePoint(opensslCurve.multiply(inverse, disclosed)).slice(1, 33);
    const info = dealLabel({ ...context, dealer: 2 });
    const opening = { dh, recipient: keyPair.publicKey, info, aad: new Uint8Array(0) };
    expect(openWithDh({ ...opening, enc: honest.enc, ct: honest.ct })).toEqual(victim);
  });

  test('the bent deal is refused before any multiplication and condemned as it is', async () => {
    const { bent } = bentDeal();
    expect(codeOf(() => open(bent))).toBe('pi-invalid');
    const complaint = complainAbout(bent);
    expect(parseComplaint(complaint).opened).toBeUndefined();
    expect(await judge(complaint)).toMatchObject({ upheld: true, reason: 'pi-invalid' });
  });
});

describe('the form of a complaint', () => {
  test('parse after encode is identity, and nothing else parses', async () => {
    const complaint = complainAbout(sealed(rightDeal));
    expect(encodeComplaint(parseComplaint(complaint))).toEqual(complaint);
    for (let i = 0; i < complaint.length; i += 5) {
      expect(codeOf(() => parseComplaint(complaint.slice(0, i)))).toBe('complaint-malformed');
    }
    for (let i = 0; i < complaint.length; i += 9) {
      const bent = Uint8Array.from(complaint);
      bent[i] = (bent[i] as number) ^ (1 << (i % 8));
      const verdict = await judge(bent, { curve: opensslCurve }).catch((e: { code?: string }) => e);
      if ('upheld' in verdict) continue;
      expect(verdict).toMatchObject({ code: 'complaint-malformed' });
    }
    const key = keyPair.publicKey;
    const cases = [
      [2, reveal, complaint, key, null],
      [1, reveal, complaint, key],
      [1, 'x', complaint, key, null],
      [1, reveal, 7, key, null],
      [1, reveal, complaint, filled(4, 64), null],
      [1, reveal, complaint, key, [filled(4, 65)]],
      [1, reveal, complaint, key, [filled(4, 64), filled(4, 64)]],
      [1, reveal, complaint, key, false],
    ] as const;
    for (const one of cases) {
      expect(codeOf(() => parseComplaint(encodeCbor([...one])))).toBe('complaint-malformed');
    }
  });
});
