// SPDX-License-Identifier: Apache-2.0
// Gateways that are honest but for one thing: one says "accepted" to some kinds of events and drops
// them; one shows nodes the same old head for ever, truly cosigned, and what led to it.
import { toHex } from '@cloister/core';
import { type Dropper, drops } from './adversaries.ts';
import { passing } from './endpoint.ts';
import { Gateway, type Routes } from './gateways.ts';
import type { Appended } from './ledger.ts';
import { eventId, MEMBERS } from './stage.ts';

/** How often: who is caught once is not asked first again. */
const DROPPED = 0.6;

export class DroppingGateway extends Gateway {
  protected override bend(routes: Routes): Routes {
    const { adversary, network, shared } = this.stage;
    return {
      ...routes,
      append: async (from, { bytes }) => {
        const event = await shared.admission(bytes, shared.crypto).catch(passing);
        const meant = event !== undefined && drops(adversary as Dropper, event);
        if (!meant || network.choose() >= DROPPED) return routes.append(from, { bytes });
        network.count(`dropped: ${event.kind}`);
        const id = toHex(eventId(bytes));
        return { seq: this.size, id, status: 'accepted' } satisfies Appended;
      },
    };
  }
}

/** Time enough for keepers to join. */
const FRESH_MS = 1_500;

export class StaleGateway extends Gateway {
  #shown: Awaited<ReturnType<Routes['checkpoint']>> | undefined;

  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    const members = new Set<string>(MEMBERS);
    const old = (from: string) => {
      const stale = network.now >= network.calmAt + FRESH_MS && !members.has(from);
      return stale ? this.#shown : undefined;
    };
    return {
      ...routes,
      checkpoint: async (from, body) => {
        const shown = old(from);
        if (shown !== undefined) {
          network.count('stale-head-shown');
          return shown;
        }
        const now = await routes.checkpoint(from, body);
        this.#shown = now;
        return now;
      },
      entries: async (from, body) => {
        const shown = old(from);
        if (shown === undefined) return routes.entries(from, body);
        const { from: first, limit } = body;
        await network.sleep(Math.min(body.waitMs, 200));
        const events = this.log.slice(first, Math.min(shown.size, first + limit));
        return { events, size: shown.size };
      },
    };
  }
}
