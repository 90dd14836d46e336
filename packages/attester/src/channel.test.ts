// SPDX-License-Identifier: Apache-2.0
// Both ends of the launcher's channel, over streams in memory: answers, refusals, loss, bad frames.
import { Duplex } from 'node:stream';
import { CodedError, encodeCbor } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { Channel, type Handler } from './channel.ts';

/** Two streams, each of which reads what the other writes. */
function streamPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex) =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        setImmediate(() => {
          if (!other().destroyed) other().push(chunk);
        });
        done();
      },
      destroy(error, done) {
        setImmediate(() => {
          if (!other().destroyed) other().push(null);
        });
        done(error);
      },
    });
  const a: Duplex = make(() => b);
  const b: Duplex = make(() => a);
  return [a, b];
}

function channels(handlers: Record<string, Handler>): { near: Channel; far: Channel; raw: Duplex } {
  const [a, b] = streamPair();
  return { near: new Channel(a), far: new Channel(b, handlers), raw: a };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof CodedError ? error.code : `not coded: ${String(error)}`),
  );
}

describe('a channel', () => {
  it('answers requests in whatever order their handlers end', async () => {
    const { near } = channels({
      echo: async (body) => {
        if (body === 'slow') await new Promise((done) => setTimeout(done, 20));
        return body;
      },
    });
    const answers = await Promise.all([
      near.request('echo', 'slow', 1_000),
      near.request('echo', Uint8Array.of(1, 2), 1_000),
    ]);
    expect(answers).toEqual(['slow', Uint8Array.of(1, 2)]);
  });

  it('carries a coded refusal and hides any other error', async () => {
    const { near } = channels({
      refuse: async () => {
        throw new CodedError('join-refused', 'policy', 'no');
      },
      fault: async () => {
        throw new Error('a secret path');
      },
    });
    expect(await codeOf(near.request('refuse', null, 1_000))).toBe('join-refused');
    const fault = await near.request('fault', null, 1_000).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: 'launcher-protocol' });
    expect(String(fault)).not.toContain('secret');
    expect(await codeOf(near.request('constructor', null, 1_000))).toBe('launcher-protocol');
  });

  it('ends every open request when the other end goes, and refuses later ones', async () => {
    const { near, far } = channels({ never: () => new Promise(() => undefined) });
    const open = codeOf(near.request('never', null, 5_000));
    await new Promise((done) => setTimeout(done, 10));
    far.close();
    expect(await open).toBe('launcher-lost');
    await near.closed;
    expect(await codeOf(near.request('never', null, 1_000))).toBe('launcher-lost');
  });

  it('gives a request up after its time', async () => {
    const { near } = channels({ never: () => new Promise(() => undefined) });
    expect(await codeOf(near.request('never', null, 10))).toBe('launcher-timeout');
  });

  it.each([
    ['a frame that is too long', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
    ['a frame that is not CBOR', Uint8Array.of(0, 0, 0, 1, 0xff)],
    ['a frame that is no list', Uint8Array.of(0, 0, 0, 1, 0x01)],
    ['a frame without an id', framed(encodeCbor([0, 'x', 'y', null]))],
  ])('closes on %s', async (_what, bytes) => {
    const { far, raw } = channels({});
    raw.write(bytes);
    await far.closed;
    expect(await codeOf(far.request('x', null, 1_000))).toBe('launcher-lost');
  });

  it('reads frames however they are cut', async () => {
    const { near, raw } = channels({ echo: async (body) => body });
    const frame = framed(encodeCbor([0, 7, 'echo', 'late']));
    for (const byte of frame) raw.write(Uint8Array.of(byte));
    expect(await near.request('echo', 'whole', 1_000)).toBe('whole');
  });
});

function framed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}
