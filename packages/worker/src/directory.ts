// SPDX-License-Identifier: Apache-2.0
// Which gateway says it is whose. Nothing proves it, so whoever claims a member's name is used for
// that member: what is handed over is sealed, and what comes back is checked.
import { gather } from '@cloister/attested';
import { type Timers, toHex } from '@cloister/core';
import { workerError } from './errors.ts';
import type { Gateway } from './ports.ts';

const HEALTH_MS = 5_000;
const OTHERS_MS = 50;

export class Directory {
  readonly #timers: Timers;
  readonly #asked: readonly Promise<{ gateway: Gateway; name: string }>[];

  /** Asks all of them at once, now. */
  constructor(
    gateways: readonly Gateway[],
    about: { readonly genesis: Uint8Array; readonly timers: Timers },
  ) {
    const { genesis, timers } = about;
    this.#timers = timers;
    this.#asked = gateways.map(async (gateway) => {
      const health = await gateway.health();
      const ours = health.role === 'gateway' && health.genesis === toHex(genesis);
      return { gateway, name: ours ? health.name : '' };
    });
    for (const one of this.#asked) one.catch(() => undefined);
  }

  /** Those that say they are `member`'s; one at least. @throws CodedError `gateway-unknown` */
  async of(member: string): Promise<Gateway[]> {
    const { got } = await gather(this.#asked, {
      timers: this.#timers,
      enough: (answers) => answers.some(({ name }) => name === member),
      graceMs: OTHERS_MS,
      boundMs: HEALTH_MS,
    });
    const found = got.filter(({ name }) => name === member).map(({ gateway }) => gateway);
    if (found.length > 0) return found;
    const message = `no configured gateway that answers is ${member}'s: is it running?`;
    throw workerError('gateway-unknown', message);
  }
}
