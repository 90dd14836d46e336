// SPDX-License-Identifier: Apache-2.0
// The launcher's own judgement: a join is countersigned only as the node was started and quoted.
import { createECDH } from 'node:crypto';
import { admit, type EventBody, OPERATOR_SUBJECT, reportData, signEvent } from '@cloister/contract';
import { isCoded, parseCose, type Signer, toHex } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { launcherHandlers } from './launcher-duties.ts';

const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const freshPoint = () => Uint8Array.from(createECDH('prime256v1').generateKeys());
const GENESIS = filled(0xa1);

function launcher() {
  const operator = { id: 'bank', signer: ephemeralEd25519Signer() };
  const hardware = {
    tee: 'sgx-dcap' as const,
    reportDataLength: 64 as const,
    hardware: filled(7, 16),
    measurement: filled(8),
    quote: async (data: Uint8Array) => Uint8Array.of(1, ...data),
  };
  const duties = { role: 'keeper' as const, genesis: GENESIS, environment: 'keeper-sgx' };
  const handlers = launcherHandlers({ ...duties, operator, hardware });
  return { operator, hardware, handlers };
}

type Launcher = ReturnType<typeof launcher>;

/** A join over evidence of this launcher; `change` is made after the quote. */
async function quotedJoin(
  at: Launcher,
  change: Partial<EventBody<'join'>> = {},
  sign: { signer?: Signer; genesis?: Uint8Array } = {},
) {
  const signer = ephemeralEd25519Signer();
  const body: EventBody<'join'> = {
    role: 'keeper',
    operator: 'bank',
    charter: 1,
    environment: 'keeper-sgx',
    hardware: at.hardware.hardware,
    measurement: at.hardware.measurement,
    tls: filled(2),
    hpke: freshPoint(),
    evidence: filled(0),
    checkpoint: filled(3),
    within: 100,
  };
  const data = reportData({ genesis: GENESIS, signing: signer.key, join: body }, 64, nodeCrypto);
  const evidence = (await at.handlers.quote(data)) as Uint8Array;
  const join = { ...body, evidence: nodeCrypto.digest('sha256', evidence), ...change };
  const genesis = sign.genesis ?? GENESIS;
  return signEvent(sign.signer ?? signer, 'node', { genesis, kind: 'join', body: join });
}

describe('a launcher', () => {
  it('countersigns the join that it started and quoted', async () => {
    const at = launcher();
    const outer = (await at.handlers['sign-join'](await quotedJoin(at))) as Uint8Array;
    expect(parseCose(outer).claims).toEqual({ iss: 'bank', sub: OPERATOR_SUBJECT });
    const event = await admit(outer, nodeCrypto);
    expect(event.kind).toBe('join');
    expect(toHex(event.operator as Uint8Array)).toBe(toHex(at.operator.signer.key));
  });

  it.each<[string, Partial<EventBody<'join'>>]>([
    ['another role', { role: 'worker', task: filled(5), run: filled(6, 16) }],
    ['another operator', { operator: 'hospital' }],
    ['another environment', { environment: 'keeper-snp' }],
    ['another measurement', { measurement: filled(13) }],
    ['another hardware identity', { hardware: filled(9, 16) }],
    ['evidence made elsewhere', { evidence: filled(4) }],
    ['a TLS key that was not quoted', { tls: filled(11) }],
    ['an HPKE key that was not quoted', { hpke: freshPoint() }],
    ['a charter version that was not quoted', { charter: 2 }],
    ['a checkpoint that was not quoted', { checkpoint: filled(12) }],
  ])('refuses a join with %s', async (_what, change) => {
    const at = launcher();
    const attempt = at.handlers['sign-join'](await quotedJoin(at, change));
    await expect(attempt).rejects.toMatchObject({ code: 'join-refused' });
  });

  it('refuses a join signed by a key that was not quoted, or for another genesis', async () => {
    const at = launcher();
    const other = await quotedJoin(at, {}, { signer: ephemeralEd25519Signer() });
    await expect(at.handlers['sign-join'](other)).rejects.toMatchObject({ code: 'join-refused' });
    const elsewhere = await quotedJoin(at, {}, { genesis: filled(0xff) });
    await expect(at.handlers['sign-join'](elsewhere)).rejects.toMatchObject({
      code: 'join-refused',
    });
  });

  it('refuses any bit flip of a good join, with a code', async () => {
    const at = launcher();
    const join = await quotedJoin(at);
    for (let i = 0; i < join.length; i += 7) {
      const bent = join.slice();
      bent[i] = (bent[i] as number) ^ 0x10;
      const error = await at.handlers['sign-join'](bent).catch((e: unknown) => e);
      expect(isCoded(error)).toBe(true);
    }
  });

  it.each([0, 32, 63, 65])('quotes nothing over %i bytes of report data', async (length) => {
    const attempt = launcher().handlers.quote(new Uint8Array(length));
    await expect(attempt).rejects.toMatchObject({ code: 'quote-refused' });
  });
});
