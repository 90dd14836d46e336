// SPDX-License-Identifier: Apache-2.0
// Gateways that are honest but for one thing: one says "accepted" to some kinds of events and drops
// them; one says that it is another member's; one shows nodes the same old head for ever, truly
// cosigned, and what led to it; one gives out the order truly, slowly and an entry at a time.
import { toHex } from '@cloister/core';
import { type Dropper, drops } from './adversaries.ts';
import { passing } from './endpoint.ts';
import { Gateway, type Routes } from './gateways.ts';
import type { Appended } from './ledger.ts';
import { eventId, MEMBERS } from './stage.ts';
import { PROPOSER, RECIPIENT } from './tasks.ts';

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

/** To nodes it is the gateway of whoever has openings for them, or gets results of them. */
export class ImpostorGateway extends Gateway {
  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    // Whose own gateway says that it is another's has no results: that is its affair.
    if (this.name === PROPOSER || this.name === RECIPIENT) return routes;
    const claimed = network.pick([PROPOSER, RECIPIENT]);
    return {
      ...routes,
      health: async (from, body) => {
        network.count('adversary: impersonates');
        return { ...((await routes.health(from, body)) as object), name: claimed };
      },
      openings: () => new Promise<never>(() => {}),
    };
  }
}

/** A tenth of a phase, as a call may take some seconds of a minute. */
const SLOWLY_MS = 250;

export class SlowGateway extends Gateway {
  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    const members = new Set<string>(MEMBERS);
    return {
      ...routes,
      checkpoint: async (from, body) => {
        if (!members.has(from)) await network.sleep(SLOWLY_MS);
        return routes.checkpoint(from, body);
      },
      entries: async (from, body) => {
        if (members.has(from)) return routes.entries(from, body);
        network.count('adversary: answers-slowly');
        await network.sleep(SLOWLY_MS);
        return routes.entries(from, { ...body, limit: 1 });
      },
    };
  }
}

/** Time enough for keepers to join. */
const FRESH_MS = 1_500;

type Shown = Awaited<ReturnType<Routes['checkpoint']>>;

export class StaleGateway extends Gateway {
  /** Every head it had, the oldest first. */
  readonly #heads: Shown[] = [];
  /** Which of them each node has been shown. */
  readonly #at = new Map<string, number>();
  readonly #creeps = this.stage.network.choose() < 0.5;

  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    const members = new Set<string>(MEMBERS);
    const stale = (from: string) => network.now >= network.calmAt + FRESH_MS && !members.has(from);
    return {
      ...routes,
      checkpoint: async (from, body) => {
        const head = await routes.checkpoint(from, body);
        if (head.size > (this.#heads.at(-1)?.size ?? 0)) this.#heads.push(head);
        if (!stale(from)) return head;
        network.count('stale-head-shown');
        return this.#old(from, true) ?? head;
      },
      entries: async (from, body) => {
        const shown = stale(from) ? this.#old(from, false) : undefined;
        if (shown === undefined) return routes.entries(from, body);
        const { from: first, limit } = body;
        await network.sleep(Math.min(body.waitMs, 200));
        const events = this.log.slice(first, Math.min(shown.size, first + limit));
        return { events, size: shown.size };
      },
    };
  }

  #old(node: string, next: boolean): Shown | undefined {
    const before = this.#at.get(node) ?? this.#heads.length - 1;
    const at = next && this.#creeps ? before + 1 : before;
    this.#at.set(node, Math.min(at, this.#heads.length - 1));
    return this.#heads[at];
  }
}
