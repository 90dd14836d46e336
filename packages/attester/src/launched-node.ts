// SPDX-License-Identifier: Apache-2.0
// The node's side of the launcher's channel: its configuration, its attester, and the word that it
// is ready. When the launcher is gone the node must end: `lost` says so.
//
// A node on silicon has another source of these (configfs-tsm, Gramine...) behind the same port.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { EvidenceKind } from '@cloister/evidence';
import type { Attester } from './attester.ts';
import { Channel } from './channel.ts';
import { attesterError } from './errors.ts';

/** The inherited descriptor that the launcher's channel is on. */
export const LAUNCHER_FD = 3;
const TIMEOUT_MS = 15_000;

/** An attester whose evidence and countersignatures come over a launcher's channel. */
export class SocketAttester implements Attester {
  readonly tee: EvidenceKind;
  readonly reportDataLength: 32 | 64;
  readonly hardware: Uint8Array;
  readonly measurement: Uint8Array;
  readonly #channel: Channel;

  constructor(channel: Channel, about: Omit<Attester, 'quote' | 'signJoin'>) {
    this.#channel = channel;
    this.tee = about.tee;
    this.reportDataLength = about.reportDataLength;
    this.hardware = about.hardware;
    this.measurement = about.measurement;
  }

  async quote(reportData: Uint8Array): Promise<{ evidence: Uint8Array }> {
    return { evidence: asBytes(await this.#channel.request('quote', reportData, TIMEOUT_MS)) };
  }

  async signJoin(join: Uint8Array): Promise<Uint8Array> {
    return asBytes(await this.#channel.request('sign-join', join, TIMEOUT_MS));
  }
}

/** What a launched program begins with. */
export interface LaunchedNode {
  /** The configuration that the launcher was given, as parsed JSON: check it against a schema. */
  readonly config: unknown;
  readonly attester: Attester;
  /** Resolves when the launcher is gone. */
  readonly lost: Promise<void>;
  /** Tells the launcher how far the start has come, as a count that rises; never throws. */
  progress(count: number): void;
  /** Tells the launcher that the node serves; `info` is public (address, join id). */
  ready(info: Readonly<Record<string, unknown>>): Promise<void>;
  /** Tells the launcher why the node gives up; never throws. */
  failed(reason: string): Promise<void>;
  close(): void;
}

/**
 * Takes up the launcher's channel; call it once, first thing. `stream` is for tests.
 * @throws CodedError `launcher-absent` when the program was started by hand
 */
export async function launchedNode(stream?: Duplex): Promise<LaunchedNode> {
  const channel = new Channel(stream ?? openInherited());
  const start = await channel.request('start', null, TIMEOUT_MS);
  const { config, tee, hardware, measurement, reportDataLength } = (start ?? {}) as Record<
    string,
    unknown
  >;
  if (
    typeof config !== 'string' ||
    typeof tee !== 'string' ||
    typeof reportDataLength !== 'number'
  ) {
    throw attesterError('launcher-protocol', 'the launcher answered out of form');
  }
  const attester = new SocketAttester(channel, {
    tee: tee as EvidenceKind,
    reportDataLength: reportDataLength === 32 ? 32 : 64,
    hardware: asBytes(hardware),
    measurement: asBytes(measurement),
  });
  return {
    config: JSON.parse(config) as unknown,
    attester,
    lost: channel.closed,
    progress: (count) => {
      void channel.request('progress', count, TIMEOUT_MS).catch(() => undefined);
    },
    ready: async (info) => {
      await channel.request('ready', JSON.stringify(info), TIMEOUT_MS);
    },
    failed: async (reason) => {
      await channel.request('failed', reason, 1_000).catch(() => undefined);
    },
    close: () => channel.close(),
  };
}

function openInherited(): Duplex {
  try {
    return new Socket({ fd: LAUNCHER_FD, readable: true, writable: true });
  } catch (cause) {
    const message =
      'no launcher is on descriptor 3: start this node with the cloister command (keeper, worker)';
    throw attesterError('launcher-absent', message, { cause });
  }
}

function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw attesterError('launcher-protocol', 'the launcher answered out of form');
}
