// SPDX-License-Identifier: Apache-2.0
// A page in a real Chromium that runs our code as a web application would: bundled for browsers
// without any stand-in for Node (a `node:` import that is reached fails the bundle), served on
// loopback, in a fresh profile. For tests of the lane `browser`.
//
// Invariants: the page reaches nothing but its own two files; `close` ends browser and server.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';

const ENTRY = 'cloister-page';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const HTML = '<!doctype html><title>Cloister</title><script type="module" src="/page.js"></script>';

export interface PageOptions {
  /** A module that puts functions on `globalThis.page`; its imports resolve from `folder`. */
  readonly module: string;
  readonly folder: string;
  /** Export conditions; by default the packages' sources are bundled. */
  readonly conditions?: readonly string[];
}

/** A page that is open. */
export class BrowserPage {
  /** Every address that the page asked for. */
  readonly requested: string[] = [];
  /** What the page threw outside of calls, or wrote to its console as an error. */
  readonly errors: string[] = [];
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #page: Page;

  private constructor(browser: Browser, server: Server, page: Page) {
    this.#browser = browser;
    this.#server = server;
    this.#page = page;
    page.on('request', (request) => this.requested.push(new URL(request.url()).pathname));
    page.on('pageerror', (error) => this.errors.push(error.message));
  }

  /** Bundles, serves and opens. The browser is CLOISTER_CHROMIUM. */
  static async open(options: PageOptions): Promise<BrowserPage> {
    const script = await bundleForBrowsers(options);
    const server = await serve(script);
    const executablePath = process.env['CLOISTER_CHROMIUM'] ?? '/usr/bin/chromium';
    const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
    const opened = new BrowserPage(browser, server, await browser.newPage());
    try {
      const { port } = server.address() as AddressInfo;
      await opened.#page.goto(`http://127.0.0.1:${port}/`);
      await opened.#page.waitForFunction('globalThis.page !== undefined', null, {
        timeout: 20_000,
      });
    } catch (error) {
      await opened.close();
      throw new Error(`the page did not start: ${opened.errors.join('; ')}`, { cause: error });
    }
    return opened;
  }

  /** Calls one of the module's functions; argument and answer travel as JSON. */
  async call<T>(name: string, argument: unknown): Promise<T> {
    const json = JSON.stringify(JSON.stringify(argument));
    return await this.#page.evaluate<T>(`globalThis.page.${name}(JSON.parse(${json}))`);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One script for browsers. Throws where Node's own modules are reached. */
export async function bundleForBrowsers(options: PageOptions): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-page-'));
  // As if it lay there: what it imports is found from that folder, and from nowhere else.
  const entry = join(options.folder, `${ENTRY}.js`);
  try {
    await build({
      configFile: false,
      logLevel: 'error',
      root: options.folder,
      resolve: { conditions: [...(options.conditions ?? ['source', 'browser'])] },
      build: {
        outDir: folder,
        minify: false,
        target: 'es2023',
        rolldownOptions: {
          input: ENTRY,
          external: (id: string) => id.startsWith('node:'),
          output: { entryFileNames: 'page.js', codeSplitting: false },
        },
      },
      plugins: [
        {
          name: 'page',
          resolveId: (id) => (id === ENTRY ? entry : undefined),
          load: (id) => (id === entry ? options.module : undefined),
        },
      ],
    });
    const script = await readFile(join(folder, 'page.js'), 'utf8');
    const reached = /(?:from|import)\s*\(?\s*["'](node:[^"']+)["']/.exec(script)?.[1];
    if (reached !== undefined) throw new Error(`the bundle reaches ${reached}`);
    return script;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    const found = isScript || request.url === '/';
    response.statusCode = found ? 200 : 404;
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : found ? HTML : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
