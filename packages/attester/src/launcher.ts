// SPDX-License-Identifier: Apache-2.0
// The launcher starts a node's program, having measured it and loaded it on a platform
// (hardware.ts), and answers its requests for evidence and for the operator's countersignature. On
// simulated platforms it is the hardware itself. The node gets its configuration over the same
// private channel, a socket pair inherited as descriptor 3 that no other process can open: nothing
// secret is in its arguments or its environment.
//
// Invariants
// - What the platform is reached by (a development root, a TPM) and the operator's key never leave
//   this process.
// - The evidence always carries the measurement of the bytes that run: the node is started from an
//   image of what was measured, and of nothing else (measure/image.ts).
// - The launcher countersigns only a join of the role, operator, environment, charter, hardware and
//   keys that it started and quoted (launcher-duties.ts), so a node cannot pass as another.
// - The node ends when the launcher is gone (its channel closes), and `stop` ends it by its pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Cbor, Signer } from '@cloister/core';
import { Channel } from './channel.ts';
import { attesterError } from './errors.ts';
import type { Hardware, Platform } from './hardware.ts';
import { type Duties, launcherHandlers } from './launcher-duties.ts';
import { imageOf, type ProgramImage } from './measure/image.ts';
import type { Manifest } from './measure/manifest.ts';
import { type MeasureOptions, measureFiles } from './measure/measure.ts';
import { environmentFor, type Start } from './measure/start.ts';

const DEFAULT_STALL_MS = 30_000;
const DEFAULT_GRACE_MS = 5_000;

/** What a node is started as. */
export interface NodeSpec extends MeasureOptions {
  /** What it runs on; let go when the node has ended. */
  readonly platform: Platform;
  /** Handed to the node as it is (JSON): addresses, the charter's bytes in base64, limits. */
  readonly config: unknown;
  /** The operator that answers for the node; its key stays here. */
  readonly operator: { readonly id: string; readonly signer: Signer };
  /** What the joins that it countersigns must say. */
  readonly genesis: Uint8Array;
  readonly environment: string;
  /** Where the node's output goes; by default this process's stderr. */
  readonly stdio?: {
    readonly stdout?: 'inherit' | 'ignore' | number;
    readonly stderr?: 'inherit' | 'ignore' | number;
  };
  /**
   * Milliseconds in which a node that starts must become ready or come further; 30 s by default. A
   * long ledger takes as long as it takes.
   */
  readonly stallMs?: number;
}

export interface NodeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running node. */
export interface RunningNode {
  readonly pid: number;
  readonly role: MeasureOptions['role'];
  readonly make: string;
  readonly manifest: Manifest;
  readonly measurement: Uint8Array;
  /** What the node said when it was ready: its address, the id of its join. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Resolves when the process has ended, for whatever reason, and the hardware is let go. */
  readonly exited: Promise<NodeExit>;
  /** SIGTERM, then SIGKILL after `graceMs` (5 s by default); both by pid. Idempotent. */
  stop(graceMs?: number): Promise<NodeExit>;
}

/**
 * Measures and starts a node, and resolves once it says that it is ready.
 * @throws CodedError `program-unreadable`, `program-unmeasurable`, `program-changed`,
 *   `node-start-failed`, the platform's codes, and whatever refusal ended it
 */
export async function startNode(spec: NodeSpec): Promise<RunningNode> {
  const measured = await measureFiles(spec);
  const image = imageOf(measured);
  const hardware = await spec.platform.load(measured.encoded);
  const child = spawnProgram(image, measured.start, spec.stdio);
  const exited = new Promise<NodeExit>((done) => {
    child.once('exit', (code, signal) => done({ code, signal }));
    child.once('error', () => done({ code: null, signal: null }));
  }).finally(() => hardware.close?.());
  const watch = new StallWatch(spec.stallMs ?? DEFAULT_STALL_MS);
  const ready = serve(child, spec, { hardware, onProgress: (count) => watch.moved(count) });
  const stop = stopper(child, exited);
  try {
    const info = await Promise.race([ready, watch.stalled, exited.then(failedEarly)]).finally(() =>
      watch.stop(),
    );
    return {
      pid: child.pid as number,
      role: spec.role,
      make: spec.platform.make,
      manifest: measured.manifest,
      measurement: hardware.measurement,
      ready: info,
      exited,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Stops all of `nodes` when this process gets SIGINT or SIGTERM, or when one of them ends. */
export async function runUntilSignal(nodes: readonly RunningNode[]): Promise<NodeExit> {
  let onSignal: (signal: NodeJS.Signals) => void = () => undefined;
  const signalled = new Promise<NodeExit>((done) => {
    onSignal = (signal) => done({ code: null, signal });
  });
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const why = await Promise.race([signalled, ...nodes.map((node) => node.exited)]);
  process.off('SIGINT', onSignal);
  process.off('SIGTERM', onSignal);
  await Promise.all(nodes.map((node) => node.stop()));
  return why;
}

function spawnProgram(
  { entry, runtime }: ProgramImage,
  start: Start,
  stdio: NodeSpec['stdio'],
): ChildProcess {
  return spawn(runtime, [...start.flags, entry, ...start.arguments], {
    cwd: dirname(entry),
    env: environmentFor(start),
    stdio: ['ignore', stdio?.stdout ?? 2, stdio?.stderr ?? 'inherit', 'pipe'],
  });
}

/** Serves the node's requests; resolves with what it says when it is ready. */
function serve(
  child: ChildProcess,
  spec: NodeSpec,
  { hardware, onProgress }: { hardware: Hardware; onProgress: (count: number) => void },
): Promise<Record<string, unknown>> {
  return new Promise((done, fail) => {
    const stream = child.stdio[3] as Duplex | null;
    if (stream === null || stream === undefined) {
      const message = `could not start ${child.spawnfile}`;
      fail(attesterError('node-start-failed', message));
      return;
    }
    const { role, operator, genesis, environment } = spec;
    const duties: Duties = { hardware, role, operator, genesis, environment };
    new Channel(stream, {
      ...launcherHandlers(duties),
      start: async () => ({
        config: JSON.stringify(spec.config),
        tee: hardware.tee,
        hardware: hardware.hardware,
        measurement: hardware.measurement,
        reportDataLength: hardware.reportDataLength,
      }),
      progress: async (body: Cbor) => {
        if (typeof body === 'number') onProgress(body);
        return null;
      },
      ready: async (body: Cbor) => {
        done(JSON.parse(String(body)) as Record<string, unknown>);
        return null;
      },
      failed: async (body: Cbor) => {
        fail(attesterError('node-start-failed', String(body).slice(0, 500)));
        return null;
      },
    });
  });
}

function stopper(
  child: ChildProcess,
  exited: Promise<NodeExit>,
): (graceMs?: number) => Promise<NodeExit> {
  return async (graceMs = DEFAULT_GRACE_MS) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    }
    return exited;
  };
}

function failedEarly(exit: NodeExit): never {
  const how = exit.signal ?? `code ${exit.code}`;
  const message = `the node ended (${how}) before it was ready: its log says why`;
  throw attesterError('node-start-failed', message, { details: { silent: true } });
}

/** Fails a start in which nothing has moved for a while. */
class StallWatch {
  readonly stalled: Promise<never>;
  readonly #stallMs: number;
  #fail: (error: Error) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #most = 0;

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
    this.stalled = new Promise((_, fail) => {
      this.#fail = fail;
    });
    this.stalled.catch(() => undefined);
    this.#begin();
  }

  /** The node has come as far as `count`. */
  moved(count: number): void {
    if (this.#timer === undefined || count <= this.#most) return;
    this.#most = count;
    this.#begin();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const message = `the node is not ready, and nothing has moved for ${this.#stallMs} ms`;
      this.#fail(attesterError('node-start-failed', message));
    }, this.#stallMs);
  }
}
