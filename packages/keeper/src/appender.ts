// SPDX-License-Identifier: Apache-2.0
// Puts a keeper's events on the ledger through whichever gateway answers. Signatures are
// deterministic, so the same event is the same bytes, and appending them again is harmless.
import { pause } from '@cloister/attested';
import { type EventBody, type EventKind, signEvent } from '@cloister/contract';
import { isCoded } from '@cloister/core';
import { keeperError } from './errors.ts';
import type { KeeperPorts, LedgerPeer } from './ports.ts';

const ATTEMPTS = 50;
const RETRY_MS = 100;

export class Appender {
  readonly #ports: Pick<KeeperPorts, 'peers' | 'signer' | 'timers'>;
  readonly #about: { readonly name: string; readonly genesis: Uint8Array };
  readonly #signal: AbortSignal;

  constructor(
    ports: Pick<KeeperPorts, 'peers' | 'signer' | 'timers'>,
    about: { readonly name: string; readonly genesis: Uint8Array },
    signal: AbortSignal,
  ) {
    this.#ports = ports;
    this.#about = about;
    this.#signal = signal;
  }

  /** @throws CodedError `event-rejected` when the ledger holds it void, or the last peer's error */
  async event<K extends EventKind>(kind: K, body: EventBody<K>): Promise<void> {
    const { name, genesis } = this.#about;
    await this.bytes(await signEvent(this.#ports.signer, name, { genesis, kind, body }), kind);
  }

  /** @throws CodedError as `event`, `join-rejected` for a join */
  async bytes(event: Uint8Array, kind: EventKind): Promise<void> {
    const { peers, timers } = this.#ports;
    let last: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const answer = await (peers[attempt % peers.length] as LedgerPeer).append(event);
        if (answer.status === 'accepted' || answer.code === 'duplicate') return;
        const why = `${answer.code} ${answer.sentence ?? ''}`;
        const message = `the ledger holds the ${kind} void: ${why}`;
        throw keeperError(kind === 'join' ? 'join-rejected' : 'event-rejected', message);
      } catch (error) {
        if (isCoded(error) && error.kind !== 'unavailable') throw error;
        last = error;
        await pause(timers, RETRY_MS, this.#signal);
        if (this.#signal.aborted) break;
      }
    }
    throw last;
  }
}
