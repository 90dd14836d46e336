// SPDX-License-Identifier: Apache-2.0
// The processes of the demo: one ledger, three gateways, three keepers, one worker, all on
// loopback. Whatever happens, every one of them is stopped by its pid before the demo ends; each
// also ends by itself when the demo is gone, because its stdin or its launcher's channel closes.
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningNode } from '@cloister/attester';
import { isCoded } from '@cloister/core';
import { tellingLine } from '@cloister/core/node';
import { cliError } from '../errors.ts';

const COMMAND = fileURLToPath(new URL('../../bin/cloister.js', import.meta.url));
const LISTEN_MS = 30_000;
const STOP_MS = 5_000;

export class Stage {
  readonly #folder: string;
  readonly #children: { name: string; child: ChildProcess }[] = [];
  readonly #nodes: RunningNode[] = [];
  readonly #starting = new Set<Promise<RunningNode>>();
  readonly #ending: ((reason: Error) => void)[] = [];
  #stopping = false;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(join(folder, 'logs'), { recursive: true });
  }

  /** Starts `cloister <args>` and answers the address that it prints when it listens. */
  async start(name: string, args: readonly string[]): Promise<string> {
    if (this.#stopping) throw cliError('process-failed', 'the stage is closed');
    const log = this.#log(name);
    const child = spawn(process.execPath, [COMMAND, '--json', '--exit-with-stdin', ...args], {
      stdio: ['pipe', 'pipe', log.fd],
    });
    this.#children.push({ name, child });
    const url = await listening(name, child, () => log.lastWords());
    child.once('exit', () => this.#ended(name));
    return url;
  }

  /** Launches a node and takes it into care, from the moment it is launched. */
  async launch(name: string, start: (log: number) => Promise<RunningNode>): Promise<RunningNode> {
    if (this.#stopping) throw cliError('process-failed', 'the stage is closed');
    const log = this.#log(name);
    const starting = start(log.fd);
    this.#starting.add(starting);
    try {
      const node = await starting;
      this.#nodes.push(node);
      void node.exited.then(() => this.#ended(`the ${node.role} on ${node.make}`));
      return node;
    } catch (error) {
      const silent = isCoded(error, 'node-start-failed') && error.details['silent'] === true;
      if (!silent) throw error;
      const message = `${name}: ${error.message}${log.lastWords()}`;
      throw cliError('process-failed', message);
    } finally {
      this.#starting.delete(starting);
    }
  }

  /** Rejects when a process of the stage ends before it was told to. */
  ended(): Promise<never> {
    return new Promise((_, reject) => this.#ending.push(reject));
  }

  /** Stops one process that `start` started, by its name; it may be started again. */
  async stopOne(name: string): Promise<void> {
    const at = this.#children.findIndex((child) => child.name === name);
    const [found] = at < 0 ? [] : this.#children.splice(at, 1);
    found?.child.removeAllListeners('exit');
    if (found !== undefined) await stopChild(found.child);
  }

  /** Kills the node that listens at `address`, as a power cut would; it says goodbye to nobody. */
  async crash(address: string): Promise<void> {
    const at = this.#nodes.findIndex((node) => node.ready['address'] === address);
    const [node] = at < 0 ? [] : this.#nodes.splice(at, 1);
    if (node?.pid === undefined) return;
    process.kill(node.pid, 'SIGKILL');
    await node.exited;
  }

  /** The process of the node that listens at `address`. */
  pidOf(address: string): number | undefined {
    return this.#nodes.find((node) => node.ready['address'] === address)?.pid;
  }

  /** The pids of everything that was started and not yet stopped. */
  get pids(): number[] {
    const children = this.#children.map(({ child }) => child.pid);
    return [...children, ...this.#nodes.map((node) => node.pid)].filter((pid) => pid !== undefined);
  }

  /** Stops everything, the nodes first. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.allSettled(this.#starting);
    await Promise.all(this.#nodes.map((node) => node.stop()));
    await Promise.all(this.#children.reverse().map(({ child }) => stopChild(child)));
  }

  /** The log file of `name`, and what was said last of those who write it from now on. */
  #log(name: string): { readonly fd: number; lastWords(): string } {
    const path = join(this.#folder, 'logs', `${name}.log`);
    const fd = openSync(path, 'a', 0o600);
    const from = fstatSync(fd).size;
    const lastWords = () => {
      const line = tellingLine(readFileSync(path).subarray(from).toString('utf8'));
      return line === undefined ? '' : ` (${line})`;
    };
    return { fd, lastWords };
  }

  #ended(name: string): void {
    if (this.#stopping) return;
    const message = `${name} ended unexpectedly: see ${join(this.#folder, 'logs')}`;
    for (const reject of this.#ending) reject(cliError('process-failed', message));
  }
}

function listening(name: string, child: ChildProcess, lastWords: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (what: string) => reject(cliError('process-failed', `${name} ${what}`));
    const timer = setTimeout(() => fail(`did not listen within ${LISTEN_MS / 1_000} s`), LISTEN_MS);
    child.once('error', () => fail('could not be started'));
    child.once('exit', () => {
      clearTimeout(timer);
      fail(`ended before it listened: see its log${lastWords()}`);
    });
    child.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString();
      const end = text.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      const { url } = JSON.parse(text.slice(0, end)) as { url: string };
      resolve(url);
    });
  });
}

function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** Loopback ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
