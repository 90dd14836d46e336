// SPDX-License-Identifier: Apache-2.0
// In a real Chromium: the package is bundled for browsers without shims, and verifies one minted
// piece of evidence of each kind there, with the browser's own cryptography. What it answers is
// what Node answers; what is changed is refused with Node's code; no request leaves the page.
import { rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCoded, toBase64, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCollateral, needsCollateral } from './collateral.ts';
import { createDevelopmentRoot, MINTABLE_KINDS, mintCollateral, mintEvidence } from './minting.ts';
import { encodeRoot } from './roots/encode.ts';
import { type EvidenceKind, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH } from './types.ts';
import { verifyEvidence } from './verify.ts';

const AT = Date.UTC(2026, 0, 15);
const ENTRY = 'virtual:page';
/** What runs in the page: everything goes in and out as base64 and hexadecimal. */
const PAGE = `
  import { fromBase64, isCoded, toHex } from '@cloister/core';
  import { webCrypto as crypto } from '@cloister/core/web';
  import { decodeCollateral, decodeRoot, verifyEvidence } from '@cloister/evidence';
  globalThis.judge = async ({ kind, bytes, root, collateral, at }) => {
    try {
      const options = {
        crypto,
        at,
        roots: [decodeRoot(fromBase64(root))],
        collateral: collateral === null ? null : decodeCollateral(fromBase64(collateral)),
      };
      const claims = await verifyEvidence({ kind, bytes: fromBase64(bytes) }, options);
      const { measurement, reportData, hardwareId } = claims;
      const hex = [measurement, reportData, hardwareId.value].map(toHex);
      return [claims.kind, claims.trust, claims.tcb.status, ...hex].join(' ');
    } catch (error) {
      return isCoded(error) ? error.code : 'thrown: ' + error;
    }
  };
`;

interface Request {
  readonly kind: EvidenceKind;
  readonly bytes: string;
  readonly root: string;
  readonly collateral: string | null;
  readonly at: number;
}

let browser: Browser;
let page: Page;
let server: Server;
let folder: string;
const requests: string[] = [];

async function bundle(): Promise<string> {
  folder = await mkdtemp(join(tmpdir(), 'cloister-browser-'));
  await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('..', import.meta.url)),
    resolve: { conditions: ['source', 'browser'] },
    build: {
      outDir: folder,
      minify: false,
      rolldownOptions: {
        input: ENTRY,
        external: (id: string) => id.startsWith('node:'),
        output: { entryFileNames: 'page.js' },
      },
    },
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : undefined),
        load: (id) => (id === `\0${ENTRY}` ? PAGE : undefined),
      },
    ],
  });
  return readFile(join(folder, 'page.js'), 'utf8');
}

beforeAll(async () => {
  const script = await bundle();
  expect(script).not.toMatch(/from\s*["']node:|require\(["']/);
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(
      isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const executablePath = process.env['CLOISTER_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction('globalThis.judge !== undefined');
});

afterAll(async () => {
  await browser?.close();
  await new Promise((resolve) => server?.close(resolve));
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

function judge(request: Request): Promise<string> {
  return page.evaluate(`globalThis.judge(${JSON.stringify(request)})`);
}

describe('in Chromium', () => {
  it.each(MINTABLE_KINDS.map((kind) => [kind]))('%s verifies as in Node', async (kind) => {
    const root = createDevelopmentRoot(kind);
    const evidence = mintEvidence({
      root,
      measurement: new Uint8Array(MEASUREMENT_LENGTH[kind]).fill(1),
      reportData: new Uint8Array(REPORT_DATA_LENGTH[kind]).fill(2),
      at: AT,
    });
    const collateral = needsCollateral(kind) ? mintCollateral(root, { at: AT - 1000 }) : null;
    const options = { crypto: nodeCrypto, roots: [root.root], collateral, at: AT };
    const claims = await verifyEvidence(evidence, options);
    const { measurement, reportData, hardwareId } = claims;
    const hex = [measurement, reportData, hardwareId.value].map(toHex);
    const request: Request = {
      kind,
      bytes: toBase64(evidence.bytes),
      root: toBase64(encodeRoot(root.root)),
      collateral: collateral === null ? null : toBase64(encodeCollateral(collateral)),
      at: AT,
    };
    const wanted = [kind, 'simulated', claims.tcb.status, ...hex].join(' ');
    expect(await judge(request)).toBe(wanted);

    const changed = evidence.bytes.slice();
    // Byte 100 of Azure's TDX evidence is in a TD report that nothing is taken from.
    const at = kind === 'azure-tdx-vtpm' ? changed.length - 8 : 100;
    changed[at] = (changed[at] as number) ^ 1;
    let code = 'accepted';
    try {
      await verifyEvidence({ kind, bytes: changed }, options);
    } catch (error) {
      if (isCoded(error)) code = error.code;
    }
    expect(await judge({ ...request, bytes: toBase64(changed) })).toBe(code);
    const late = await judge({ ...request, at: AT + 400 * 86_400_000 });
    if (collateral !== null) expect(late).toBe('crl-expired');
  });

  it('asks nobody', () => {
    expect(requests.filter((url) => url !== '/' && url !== '/favicon.ico')).toEqual(['/page.js']);
  });
});
