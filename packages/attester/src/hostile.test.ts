// SPDX-License-Identifier: Apache-2.0
// Whatever a TPM, a kernel or a helper answers: evidence that says what was asked, or a coded
// error.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { concat, encodeCbor, isCoded } from '@cloister/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TsmFiles, tsmPlatform } from './configfs-tsm.ts';
import { nitroPlatform } from './nitro.ts';
import { TpmClient } from './tpm/client.ts';
import { tpmPlatform } from './tpm/platform.ts';
import { QUOTED_REGISTERS } from './tpm/registers.ts';
import { EK_PROFILES, type EkProfile } from './tpm/templates.ts';
import { streamTransport } from './tpm/transport.ts';
import { u16, u32 } from './tpm/wire.ts';

const NOTHING = new Uint8Array(0);

/** The code of a failure; what is not coded fails the property, and so may no failure at all. */
async function codeOf(work: Promise<unknown>): Promise<string> {
  const outcome = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  if (isCoded(outcome)) return outcome.code;
  throw outcome instanceof Error ? outcome : new Error(String(outcome));
}

describe('hostile answers', () => {
  /** Bodies of answers: anything, and what begins as a size that fits, or nearly. */
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: -3, max: 3 }))
      .map(([bytes, off]) => concat(u32(Math.max(0, bytes.length + off)), bytes)),
  );
  const response = body.map((it) => concat(u16(0x8001), u32(10 + it.length), u32(0), it));

  it('of a TPM end as coded errors, or as values of the right form', async () => {
    const profile = EK_PROFILES[0] as EkProfile;
    const key = { handle: 1, publicArea: NOTHING };
    const keys = { ak: key, ek: key, auth: 'policy' } as const;
    const credential = { credentialBlob: NOTHING, encryptedSecret: NOTHING };
    const asks: ((tpm: TpmClient) => Promise<unknown>)[] = [
      (tpm) => tpm.ekCertificate(profile),
      (tpm) => tpm.createPrimary(NOTHING),
      (tpm) => tpm.registers(QUOTED_REGISTERS),
      (tpm) => tpm.quote(key, [0], NOTHING),
      (tpm) => tpm.activateCredential(keys, credential),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(response, { minLength: 1, maxLength: 4 }), async (answers) => {
        for (const ask of asks) {
          let at = 0;
          const transmit = async () => answers[at++ % answers.length] as Uint8Array;
          const tpm = new TpmClient({ transmit, close: async () => undefined });
          const outcome = await ask(tpm).catch((error: unknown) => error);
          expect(!(outcome instanceof Error) || isCoded(outcome), String(outcome)).toBe(true);
        }
        let at = 0;
        const transmit = async () => answers[at++ % answers.length] as Uint8Array;
        const open = async () => new TpmClient({ transmit, close: async () => undefined });
        const enrolled = { hardware: new Uint8Array(32), registers: new Map() };
        await codeOf(tpmPlatform({ open, ...enrolled }).load(NOTHING));
      }),
      { numRuns: 200 },
    );
  });

  it('of a TPM that come in any pieces end as coded errors or as one whole response', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
        async (all) => {
          const stream = new Duplex({
            read: () => undefined,
            write(_chunk, _encoding, done) {
              for (const piece of all) stream.push(piece);
              stream.push(null);
              done();
            },
          });
          const outcome = await streamTransport(stream)
            .transmit(NOTHING, 5_000)
            .catch((error: unknown) => error);
          const whole = outcome instanceof Uint8Array && outcome.length >= 10;
          expect(whole || isCoded(outcome)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of a kernel end as coded errors, and the entry is removed', async () => {
    const text = fc.constantFrom('tdx_guest\n', 'sev_guest\n', '0\n', '1\n', '', '-1', '1e9');
    const attribute = fc.oneof(
      text.map((it) => new TextEncoder().encode(it)),
      fc.uint8Array({ maxLength: 1_500 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(attribute, { minLength: 5, maxLength: 5 }), async (answers) => {
        let entries = 0;
        let at = 0;
        const files: TsmFiles = {
          mkdir: async () => {
            entries += 1;
          },
          rmdir: async () => {
            entries -= 1;
          },
          read: async () => answers[at++ % answers.length] as Uint8Array,
          write: async () => undefined,
        };
        await codeOf(tsmPlatform({ files }).load(NOTHING));
        expect(entries).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  describe('of a Nitro helper', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-nsm-hostile-'));
    const path = join(folder, 'nsm.sock');
    let answer: Uint8Array = NOTHING;
    let server: Server;

    beforeAll(async () => {
      server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(answer));
      });
      await new Promise<void>((done) => server.listen(path, done));
    });

    afterAll(async () => {
      await new Promise((done) => server.close(done));
      rmSync(folder, { recursive: true });
    });

    it('end as coded errors', async () => {
      const document = fc.uint8Array({ maxLength: 300 });
      const framed = fc.oneof(
        document.map((it) => encodeCbor({ Attestation: { document: it } })),
        fc.uint8Array({ maxLength: 100 }),
        fc.constantFrom(encodeCbor(null), encodeCbor([]), encodeCbor({ Error: 1 })),
      );
      const bytes = fc.oneof(
        framed.map((it) => concat(u32(it.length), it)),
        fc.uint8Array({ maxLength: 100 }),
      );
      await fc.assert(
        fc.asyncProperty(bytes, async (it) => {
          answer = it;
          const platform = nitroPlatform({ helper: { socket: path }, timeoutMs: 5_000 });
          await codeOf(platform.load(NOTHING));
        }),
        { numRuns: 100 },
      );
    });
  });
});
