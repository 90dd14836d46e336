// SPDX-License-Identifier: Apache-2.0
// The Nitro helper's contract, against processes that keep it as the security module would (they
// mint) or break it in every way. What comes out verifies as evidence.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { verifyEvidence } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  encodeDevelopmentRoot,
  hardwareIdOf,
} from '@cloister/evidence/mint';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Hardware } from './hardware.ts';
import { type NsmHelper, nitroPlatform } from './nitro.ts';

const MINT = new URL('../../evidence/dist/minting.js', import.meta.url).href;
const CORE = new URL('../../core/dist/index.js', import.meta.url).href;
const NO_PROGRAM = new Uint8Array(0);
const root = createDevelopmentRoot('nitro');
const image = new Uint8Array(48).fill(0x4e);
const open: Hardware[] = [];
let folder: string;

/**
 * A security module behind the helper's contract: NSM API requests and answers, its limits and its
 * error names. The second argument says how it misbehaves, the third where it listens, if not on
 * stdin.
 */
const HELPER = `
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { decodeCborLenient, encodeCbor } from '${CORE}';
import { decodeDevelopmentRoot, mintEvidence } from '${MINT}';
const [, , how, where] = process.argv;
const root = decodeDevelopmentRoot(new Uint8Array(readFileSync('ROOT')));
let asked = 0;
function answer(request) {
  asked += 1;
  if (request.length > 0x1000) return { Error: 'InputTooLarge' };
  let value;
  try { value = decodeCborLenient(request); } catch { return { Error: 'InvalidArgument' }; }
  const wanted = value?.Attestation;
  if (wanted === undefined) return { Error: 'InvalidOperation' };
  const { user_data, nonce, public_key } = wanted;
  for (const [field, most] of [[user_data, 512], [nonce, 512], [public_key, 1024]]) {
    if (field !== null && !(field instanceof Uint8Array && field.length <= most)) {
      return { Error: 'InputTooLarge' };
    }
  }
  if (how === 'refuses') return { Error: 'InternalError' };
  const reportData = how === 'other-data' ? new Uint8Array(64).fill(0xee) : user_data;
  const moved = how === 'moved' && asked > 1;
  const measurement = new Uint8Array(48).fill(moved ? 0x4f : 0x4e);
  const { bytes } = mintEvidence({ root, measurement, reportData, at: Date.now() });
  return { Attestation: { document: bytes } };
}
function frame(bytes) {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
}
function reply(request) {
  if (how === 'too-large') return frame(Buffer.alloc(0x3001));
  if (how === 'not-cbor') return frame(Buffer.from('ff00ff', 'hex'));
  if (how === 'no-document') return frame(encodeCbor({ Attestation: {} }));
  if (how === 'no-evidence') {
    return frame(encodeCbor({ Attestation: { document: new Uint8Array(40) } }));
  }
  const answered = frame(encodeCbor(answer(request)));
  return how === 'twice' ? Buffer.concat([answered, answered]) : answered;
}
function serve(input, output) {
  let received = Buffer.alloc(0);
  input.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const size = received.readUInt32BE(0);
      const request = received.subarray(4, 4 + size);
      received = received.subarray(4 + size);
      if (how === 'silent') return;
      if (how === 'dies') process.exit(3);
      // In pieces, as pipes may.
      const bytes = reply(new Uint8Array(request));
      output.write(bytes.subarray(0, 3));
      setTimeout(() => output.write(bytes.subarray(3)), 2);
    }
  });
}
writeFileSync('ENV', JSON.stringify(process.env));
if (where === undefined) serve(process.stdin, process.stdout);
else createServer((socket) => serve(socket, socket)).listen(where);
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-nsm-'));
  const [rootFile, env] = [join(folder, 'root'), join(folder, 'env.json')];
  await writeFile(rootFile, encodeDevelopmentRoot(root));
  await writeFile(program(), HELPER.replace('ROOT', rootFile).replace('ENV', env));
  return () => rm(folder, { recursive: true });
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((hw) => hw.close?.()));
});

const program = () => join(folder, 'helper.mjs');
const helper = (how: string): NsmHelper => ({ command: process.execPath, args: [program(), how] });

async function load(of: NsmHelper, timeoutMs = 20_000): Promise<Hardware> {
  const hw = await nitroPlatform({ helper: of, timeoutMs }).load(NO_PROGRAM);
  open.push(hw);
  return hw;
}

function verify(bytes: Uint8Array) {
  const options = { crypto: nodeCrypto, collateral: null, roots: [root.root], at: Date.now() };
  return verifyEvidence({ kind: 'nitro', bytes }, options);
}

describe('a Nitro enclave', () => {
  it('knows itself, and its documents verify', async () => {
    const hw = await load(helper('well'));
    const datas = [1, 2, 3].map((byte) => new Uint8Array(64).fill(byte));
    const documents = await Promise.all(datas.map((data) => hw.quote(data)));
    for (const [i, bytes] of documents.entries()) {
      const claims = await verify(bytes);
      expect(claims.reportData).toEqual(datas[i]);
      expect(claims.measurement).toEqual(image);
      expect(claims).toMatchObject({ trust: 'simulated', debug: false, family: 'aws' });
      expect(claims.hardwareId.value).toEqual(hw.hardware);
    }
    expect(hw).toMatchObject({ tee: 'nitro', reportDataLength: 64, measurement: image });
    expect(toHex(hw.hardware)).toBe(toHex(hardwareIdOf(root)));
  });

  it('is reached over a unix socket too', async () => {
    const path = join(folder, 'nsm.sock');
    const { spawn } = await import('node:child_process');
    const server = spawn(process.execPath, [program(), 'well', path], { stdio: 'ignore' });
    try {
      let hw: Hardware | undefined;
      for (let i = 0; i < 500 && hw === undefined; i++) {
        hw = await load({ socket: path }).catch(() => undefined);
        if (hw === undefined) await new Promise((done) => setTimeout(done, 20));
      }
      const bytes = await hw?.quote(new Uint8Array(64));
      expect((await verify(bytes as Uint8Array)).measurement).toEqual(image);
    } finally {
      server.kill('SIGKILL');
    }
  });

  it('is not asked with report data of another length', async () => {
    const hw = await load(helper('well'));
    for (const length of [0, 32, 65]) {
      const attempt = hw.quote(new Uint8Array(length));
      await expect(attempt).rejects.toMatchObject({ code: 'quote-refused' });
    }
  });

  it.each([
    ['refuses', 'nsm-refused'],
    ['too-large', 'nsm-response-malformed'],
    ['not-cbor', 'nsm-response-malformed'],
    ['no-document', 'nsm-response-malformed'],
    ['no-evidence', 'cbor-malformed'],
    ['twice', 'nsm-response-malformed'],
    ['other-data', 'quote-mismatch'],
    ['dies', 'nsm-unavailable'],
  ])('refuses a helper that %s: %s', async (how, code) => {
    await expect(load(helper(how))).rejects.toMatchObject({ code });
  });

  it('does not go on as another enclave than it began as', async () => {
    const hw = await load(helper('moved'));
    await expect(hw.quote(new Uint8Array(64))).rejects.toMatchObject({ code: 'quote-mismatch' });
  });

  it('gives a silent helper up, and ends it', async () => {
    await expect(load(helper('silent'), 1_000)).rejects.toMatchObject({ code: 'nsm-timeout' });
  });

  it('says that a helper is not there', async () => {
    const path = join(folder, 'absent');
    for (const absent of [{ command: path }, { socket: path }]) {
      await expect(load(absent)).rejects.toMatchObject({ code: 'nsm-unavailable' });
    }
  });

  it('gives the helper no environment but PATH', async () => {
    process.env['CLOISTER_TEST_SECRET'] = 'configuration-nobody-else-sees';
    try {
      await load(helper('well'));
      const { readFile } = await import('node:fs/promises');
      const seen = JSON.parse(await readFile(join(folder, 'env.json'), 'utf8')) as object;
      expect(Object.keys(seen).filter((name) => /CLOISTER|NODE/.test(name))).toEqual([]);
    } finally {
      delete process.env['CLOISTER_TEST_SECRET'];
    }
  });
});
