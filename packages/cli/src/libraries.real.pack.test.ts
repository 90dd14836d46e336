// SPDX-License-Identifier: Apache-2.0
// The packages that are useful by themselves, as tarballs in an empty project: `parquet-crypto` and
// `evidence` with types that a compiler checks and that a program runs by, and `evidence`, `tlog`
// and the public side of `threshold` bundled for a browser and run in a real one.
import { createECDH } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBase64, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { encodeCollateral, encodeRoot } from '@cloister/evidence';
import { createDevelopmentRoot, mintCollateral, mintEvidence } from '@cloister/evidence/mint';
import { BrowserPage } from '@cloister/testkit/browser';
import { encodeLabel } from '@cloister/threshold';
import { sealMasterKey } from '@cloister/threshold/node';
import { MerkleTree } from '@cloister/tlog';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../testing/commands.ts';
import { emptyProject, LIMIT_MS, packAll, ROOT, succeeded } from '../testing/packed.ts';

const AT = Date.UTC(2026, 0, 15);
const scratch = mkdtempSync(join(tmpdir(), 'cloister-libraries-'));
let tarballs: ReadonlyMap<string, string>;

/** What a user of the first two writes; each `@ts-expect-error` fails where types are absent. */
const PROGRAM = `
import { readFileSync } from 'node:fs';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type Claims, verifyEvidence } from '@cloister/evidence';
import { createDevelopmentRoot, mintCollateral, mintEvidence } from '@cloister/evidence/mint';
import {
  BufferSink, bufferSource, decryptProjection, encryptParquet, inspectParquet, masterKeys,
} from '@cloister/parquet-crypto';

const master = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const sealed = new BufferSink();
await encryptParquet({
  source: bufferSource(new Uint8Array(readFileSync('plain.parquet'))),
  sink: sealed,
  footerKey: { id: '0', masterKey: master(1) },
  columnKeys: new Map([
    ['town', { id: '1', masterKey: master(2) }],
    ['income', { id: '2', masterKey: master(3) }],
  ]),
});
const opened = new BufferSink();
await decryptProjection({
  source: bufferSource(sealed.bytes()),
  sink: opened,
  keys: masterKeys(new Map([['0', master(1)], ['2', master(3)]])),
  columns: ['income'],
});
const { columns } = await inspectParquet(bufferSource(opened.bytes()));

const root = createDevelopmentRoot('sev-snp');
const evidence = mintEvidence({
  root, measurement: new Uint8Array(48).fill(7), reportData: new Uint8Array(64), at: ${AT},
});
const claims: Claims = await verifyEvidence(evidence, {
  crypto: nodeCrypto,
  roots: [root.root],
  collateral: mintCollateral(root, { at: ${AT - 1000} }),
  at: ${AT},
});
// @ts-expect-error a measurement is bytes
const text: string = claims.measurement;
// @ts-expect-error every column key has an id and a master key
const wrong: Parameters<typeof encryptParquet>[0]['columnKeys'] = new Map([['a', 7]]);
void [text, wrong];
console.log(JSON.stringify({
  columns: columns.map((column) => column.path),
  trust: claims.trust,
  measurement: toHex(claims.measurement),
}));
`;

/** What runs in the page; everything goes in and out as base64 and hexadecimal. */
const PAGE = `
import { fromBase64, fromHex, isCoded, toHex, utf8 } from '@cloister/core';
import { webCrypto as crypto } from '@cloister/core/web';
import { decodeCollateral, decodeRoot, verifyEvidence } from '@cloister/evidence';
import { verifySealedKey } from '@cloister/threshold';
import { MerkleTree } from '@cloister/tlog';

globalThis.page = {
  async evidence({ bytes, root, collateral, at }) {
    try {
      const claims = await verifyEvidence({ kind: 'sev-snp', bytes: fromBase64(bytes) }, {
        ...{ crypto, at, roots: [decodeRoot(fromBase64(root))] },
        collateral: decodeCollateral(fromBase64(collateral)),
      });
      return claims.trust + ' ' + toHex(claims.measurement);
    } catch (error) {
      return isCoded(error) ? error.code : 'thrown: ' + error;
    }
  },
  root(entries) {
    const tree = new MerkleTree(crypto);
    for (const entry of entries) tree.append(utf8(entry));
    return toHex(tree.root());
  },
  sealed: ({ sealed, label }) =>
    verifySealedKey({ sealed: fromHex(sealed), label: fromHex(label) }),
};
`;

beforeAll(async () => {
  tarballs = await packAll(join(scratch, 'pack'));
}, LIMIT_MS);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** An empty project with these of our packages. */
async function projectOf(...names: string[]): Promise<string> {
  const folder = join(scratch, names.join('-'));
  const paths = names.map((name) => tarballs.get(`cloister-${name}`) as string);
  await emptyProject(folder, paths);
  return folder;
}

async function plainParquet(path: string): Promise<void> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const rows = "SELECT 'A' || i % 3 AS town, i * 100 AS income FROM range(1000) t(i)";
  await connection.run(`COPY (${rows}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
}

describe('in an empty project', () => {
  it(
    'parquet-crypto and evidence have types, and do what they say',
    async () => {
      const cwd = await projectOf('core', 'evidence', 'parquet-crypto');
      await plainParquet(join(cwd, 'plain.parquet'));
      writeFileSync(join(cwd, 'program.ts'), PROGRAM);
      const node = ['--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,dom'];
      const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
      const tsc = [join(ROOT, 'node_modules/.bin/tsc'), '--strict', '--skipLibCheck', 'false'];
      succeeded(await run([...tsc, ...node, ...types, 'program.ts'], { cwd, limitMs: LIMIT_MS }));
      const said = succeeded(await run(['node', 'program.js'], { cwd, limitMs: LIMIT_MS }));
      expect(JSON.parse(said)).toEqual({
        columns: ['income'],
        trust: 'simulated',
        measurement: '07'.repeat(48),
      });
    },
    2 * LIMIT_MS,
  );

  it(
    'evidence, tlog and the public side of threshold run in a browser',
    async () => {
      const folder = await projectOf('core', 'evidence', 'threshold', 'tlog');
      const page = await BrowserPage.open({ module: PAGE, folder, conditions: ['browser'] });
      try {
        const root = createDevelopmentRoot('sev-snp');
        const { bytes } = mintEvidence({
          ...{ root, at: AT },
          ...{ measurement: new Uint8Array(48).fill(7), reportData: new Uint8Array(64) },
        });
        const request = {
          bytes: toBase64(bytes),
          root: toBase64(encodeRoot(root.root)),
          collateral: toBase64(encodeCollateral(mintCollateral(root, { at: AT - 1000 }))),
          at: AT,
        };
        expect(await page.call('evidence', request)).toBe(`simulated ${'07'.repeat(48)}`);
        const changed = bytes.slice();
        changed[100] = (changed[100] as number) ^ 1;
        expect(await page.call('evidence', { ...request, bytes: toBase64(changed) })).toMatch(
          /^[a-z-]+$/,
        );
        const entries = ['one', 'two', 'three'];
        const tree = new MerkleTree(nodeCrypto);
        for (const entry of entries) tree.append(utf8(entry));
        expect(await page.call('root', entries)).toBe(toHex(tree.root()));
        const { sealed, label } = sealedKey();
        expect(await page.call('sealed', { sealed, label })).toBe(true);
        expect(await page.call('sealed', { sealed, label: label.replace(/.$/, flipped) })).toBe(
          false,
        );
        expect(page.errors).toEqual([]);
      } finally {
        await page.close();
      }
    },
    2 * LIMIT_MS,
  );
});

/** A master key sealed to a group key of which nobody has the secret. */
function sealedKey(): { sealed: string; label: string } {
  const pair = createECDH('prime256v1');
  const groupKey = new Uint8Array(pair.generateKeys());
  const label = encodeLabel({
    ...{ genesis: new Uint8Array(32), groupKey, owner: 'bank', dataset: new Uint8Array(16) },
    ...{ version: 1, column: 0, policy: new Uint8Array(32) },
  });
  const sealed = sealMasterKey({ groupKey, label, masterKey: new Uint8Array(32).fill(9) });
  return { sealed: toHex(sealed), label: toHex(label) };
}

const flipped = (digit: string) => (digit === '0' ? '1' : '0');
