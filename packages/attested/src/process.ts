// SPDX-License-Identifier: Apache-2.0
// The process of an attested node. A launcher starts it (in simulation: the hardware) and gives it
// its configuration; it serves, says that it is ready, and ends when it is told to or when the
// launcher is gone. Secrets are made inside and die with it.
import { type Attester, type LaunchedNode, launchedNode } from '@cloister/attester/node';
import type { CharterBody } from '@cloister/contract';
import {
  type Clock,
  type CryptoPort,
  fromHex,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { foundingCharter, type NodeConfig } from './config.ts';
import type { HttpServer } from './http-server.ts';
import { errorFields, jsonLog, type Log } from './log.ts';

/** How often a node that starts says how far it has come. */
const PROGRESS_MS = 2_000;

/** What a node's process has around it. */
export interface Surroundings<C extends NodeConfig> {
  readonly config: C;
  readonly genesis: Uint8Array;
  /** The charter that founds the genesis. */
  readonly charter: CharterBody;
  readonly attester: Attester;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

/** A node that serves already. */
export interface NodeProgram {
  readonly server: HttpServer;
  /** Resolves when it is of use, with what its launcher hears besides its name and address. */
  start(): Promise<Readonly<Record<string, string>>>;
  /** How far a start has come: a count that rises while the ledger is followed. */
  progress(): number;
  /** Called once the server is closed: ends what is under way and wipes every secret. */
  stop(): Promise<void>;
}

/** Runs a node from its launcher's first word to its end, which is the process's. */
export async function runNode<C extends NodeConfig>(
  role: string,
  parse: (value: unknown) => C,
  make: (around: Surroundings<C>) => Promise<NodeProgram>,
): Promise<void> {
  const node = await launchedNode();
  let log = jsonLog(systemClock, role);
  let ending = false;
  try {
    const config = parse(node.config);
    log = jsonLog(systemClock, config.name);
    const program = await make(surroundings(config, node, log));
    const { address } = program.server;
    const end = async (why: string, code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      log.info('stopping', { why });
      await program.server.close();
      await program.stop();
      node.close();
      process.exit(code);
    };
    process.on('SIGTERM', () => void end('SIGTERM', 0));
    process.on('SIGINT', () => void end('SIGINT', 0));
    void node.lost.then(() => end('the launcher is gone', 1));
    const telling = setInterval(() => node.progress(program.progress()), PROGRESS_MS);
    const said = await program.start().finally(() => clearInterval(telling));
    await node.ready({ name: config.name, address, ...said });
    log.info('ready', { address, ...said });
  } catch (error) {
    // What a stop cuts short is no failure.
    if (ending) return;
    const fields = errorFields(error);
    log.warn('failed', fields);
    await node.failed(`${fields.code}: ${fields.message}`);
    process.exit(1);
  }
}

function surroundings<C extends NodeConfig>(
  config: C,
  { attester }: LaunchedNode,
  log: Log,
): Surroundings<C> {
  return {
    config,
    genesis: fromHex(config.genesis),
    charter: foundingCharter(config, nodeCrypto),
    attester,
    crypto: nodeCrypto,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log,
  };
}
