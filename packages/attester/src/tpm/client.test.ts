// SPDX-License-Identifier: Apache-2.0
// The TPM client and its transports against TPMs that answer wrongly, late, too much or not at all.
// What a right one answers is tested on a real swtpm (tpm.real.swtpm.test.ts).
import { Duplex } from 'node:stream';
import { concat, fromHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { TpmClient } from './client.ts';
import { enrolTpm } from './enrol.ts';
import { changedRegisters, withProgram } from './registers.ts';
import { EK_PROFILES, type EkProfile } from './templates.ts';
import { type DeviceFile, deviceTransport, openTpm, streamTransport } from './transport.ts';
import { sized, u16, u32 } from './wire.ts';

const SUCCESS = fromHex('80010000000a00000000');
const RETRY = fromHex('80010000000a00000922');
const FLUSH = fromHex('80010000000e0000016580000001');

function response(body: Uint8Array, result = 0): Uint8Array {
  return concat(u16(0x8001), u32(10 + body.length), u32(result), body);
}

/** A client of a TPM that answers the commands it is given, one after another. */
function scripted(...answers: readonly Uint8Array[]) {
  const sent: Uint8Array[] = [];
  const transmit = async (command: Uint8Array) => {
    sent.push(command);
    return answers[Math.min(sent.length, answers.length) - 1] as Uint8Array;
  };
  const client = new TpmClient({ transmit, close: async () => undefined });
  return { client, sent };
}

/** The TPM's end of a stream: what it is sent, and a way to answer. */
function wire(onCommand: (reply: (bytes: Uint8Array) => void, command: Uint8Array) => void) {
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Uint8Array, _encoding, done) {
      onCommand((bytes) => stream.push(bytes), chunk);
      done();
    },
  });
  return stream;
}

describe('a TPM client', () => {
  it('sends the bytes that part 3 gives, and sends them again while the TPM is busy', async () => {
    const busy = [RETRY, response(new Uint8Array(0), 0x908), response(new Uint8Array(0), 0x90a)];
    const { client, sent } = scripted(...busy, SUCCESS);
    await client.flush(0x80000001);
    expect(sent).toEqual([FLUSH, FLUSH, FLUSH, FLUSH]);
  });

  it.each([
    [0x18b, 'tpm-refused', 'policy'],
    [0x99d, 'tpm-refused', 'policy'],
    [0x921, 'tpm-busy', 'unavailable'],
    [0x101, 'tpm-refused', 'policy'],
  ])('reports response code %i with its command', async (result, code, kind) => {
    const { client } = scripted(response(new Uint8Array(0), result));
    await expect(client.flush(1)).rejects.toMatchObject({
      code,
      kind,
      details: { command: 'flushContext', result },
    });
  });

  it('takes a missing NV index for no certificate', async () => {
    const { client } = scripted(response(new Uint8Array(0), 0x18b));
    expect(await client.ekCertificate(EK_PROFILES[0] as EkProfile)).toBeUndefined();
  });

  it.each([
    ['an NV area that no certificate has', [nvPublic(8_193)]],
    ['NV contents that are no certificate', [nvPublic(4), nvData(fromHex('30030101'))]],
    ['an NV area cut short', [response(fromHex('0020'))]],
  ])('refuses %s', async (_what, answers) => {
    const { client } = scripted(...answers);
    const attempt = client.ekCertificate(EK_PROFILES[0] as EkProfile);
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-response-malformed' });
  });

  it('cuts off what follows the certificate in its NV area', async () => {
    const der = concat(fromHex('30820002'), fromHex('0500'));
    const { client } = scripted(nvPublic(9), nvData(concat(der, new Uint8Array(3))));
    expect(await client.ekCertificate(EK_PROFILES[0] as EkProfile)).toEqual(der);
  });

  it.each([
    ['no register', '00000000', '00000001000b03000000', '00000000'],
    ['another register than asked', '00000000', '00000001000b0304000000', '00000001'],
    ['fewer values than it says', '00000000', '00000001000b03010000', '000000010020ffff'],
    ['values that it was not asked for', '00000000', '00000001000b03070000', '00000001'],
  ])('refuses registers of which the TPM gives %s', async (_what, ...parts) => {
    const { client } = scripted(response(fromHex(parts.join(''))));
    await expect(client.registers([0])).rejects.toMatchObject({ code: 'tpm-response-malformed' });
  });

  it('has no enrolment without a certificate', async () => {
    const { client } = scripted(response(new Uint8Array(0), 0x18b));
    const who = { operator: 'bank', roots: [], issuers: [], trust: 'simulated' } as const;
    const attempt = enrolTpm(client, { crypto: nodeCrypto, at: 0, ...who });
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-no-certificate' });
  });
});

function nvPublic(size: number): Uint8Array {
  const area = concat(u32(0x01c0000a), u16(0x000b), u32(0), sized(new Uint8Array(0)), u16(size));
  return response(concat(sized(area), sized(new Uint8Array(2))));
}

function nvData(bytes: Uint8Array): Uint8Array {
  return response(concat(u32(2 + bytes.length), sized(bytes), fromHex('0000010000')));
}

describe('a stream to a TPM', () => {
  it('takes a response that comes in pieces', async () => {
    const transport = streamTransport(
      wire((reply) => {
        for (const byte of SUCCESS) reply(Uint8Array.of(byte));
      }),
    );
    expect(await transport.transmit(FLUSH, 1_000)).toEqual(SUCCESS);
    expect(await transport.transmit(FLUSH, 1_000)).toEqual(SUCCESS);
  });

  it.each([
    ['two responses for one', concat(SUCCESS, SUCCESS)],
    ['a size below its own header', fromHex('80010000000900000000')],
    ['more than a TPM can answer', concat(fromHex('800100002000'), new Uint8Array(5_000))],
  ])('is closed for good after %s', async (_what, bytes) => {
    const transport = streamTransport(wire((reply) => reply(bytes)));
    const first = transport.transmit(FLUSH, 1_000);
    await expect(first).rejects.toMatchObject({ code: 'tpm-response-malformed' });
    await expect(transport.transmit(FLUSH, 1_000)).rejects.toThrow();
  });

  it('is closed for good after a time-out: what comes late answers nothing', async () => {
    let late: (bytes: Uint8Array) => void = () => undefined;
    const transport = streamTransport(
      wire((reply) => {
        late = reply;
      }),
    );
    const attempt = transport.transmit(FLUSH, 20);
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-timeout' });
    late(SUCCESS);
    const next = transport.transmit(FLUSH, 20);
    await expect(next).rejects.toMatchObject({ code: 'tpm-timeout' });
  });

  it('is lost when the other end is', async () => {
    const stream = wire((_reply) => stream.push(null));
    const attempt = streamTransport(stream).transmit(FLUSH, 1_000);
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-unavailable' });
  });
});

describe('a TPM device', () => {
  const device = (change: Partial<DeviceFile>): DeviceFile => ({
    write: async (bytes) => ({ bytesWritten: bytes.length }),
    read: async (into) => {
      into.set(SUCCESS);
      return { bytesRead: SUCCESS.length };
    },
    close: async () => undefined,
    ...change,
  });

  it('is written and read', async () => {
    const transport = deviceTransport(device({}));
    expect(await transport.transmit(FLUSH, 1_000)).toEqual(SUCCESS);
  });

  it.each<[string, Partial<DeviceFile>, string]>([
    ['writes in part', { write: async () => ({ bytesWritten: 3 }) }, 'tpm-unavailable'],
    ['answers nothing', { read: async () => ({ bytesRead: 0 }) }, 'tpm-response-malformed'],
    [
      'fails',
      { read: () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) },
      'tpm-unavailable',
    ],
    ['does not answer', { read: () => new Promise(() => undefined) }, 'tpm-timeout'],
  ])('that %s is closed for good', async (_what, change, code) => {
    const transport = deviceTransport(device(change));
    await expect(transport.transmit(FLUSH, 20)).rejects.toMatchObject({ code });
    const next = transport.transmit(FLUSH, 20);
    await expect(next).rejects.toMatchObject({ code: 'tpm-unavailable' });
  });

  it.each([
    ['/nonexistent/tpmrm0', 'tpm-unavailable'],
    ['unix:/nonexistent/tpm.sock', 'tpm-unavailable'],
    ['tcp:127.0.0.1', 'tpm-address-malformed'],
    ['tpmrm0', 'tpm-address-malformed'],
  ])('at %s is %s', async (address, code) => {
    await expect(openTpm(address)).rejects.toMatchObject({ code });
  });
});

describe('registers', () => {
  it('differ where a value does, or where one side has none', () => {
    const zero = new Uint8Array(32);
    const enrolled = new Map([4, 15].map((index) => [index, zero] as const));
    const after = withProgram(nodeCrypto, enrolled, Uint8Array.of(1));
    expect(changedRegisters(enrolled, enrolled)).toEqual([]);
    expect(changedRegisters(enrolled, after)).toEqual([15]);
    expect(changedRegisters(enrolled, new Map([[15, zero]]))).toEqual([4]);
    // SHA-256(old value || SHA-256(program)), as TPM2_PCR_Extend has it.
    const digest = nodeCrypto.digest('sha256', Uint8Array.of(1));
    expect(after.get(15)).toEqual(nodeCrypto.digest('sha256', zero, digest));
  });
});
