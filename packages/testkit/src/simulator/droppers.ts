// SPDX-License-Identifier: Apache-2.0
// A gateway that is honest but for one thing: it says "accepted" to some kinds of events and drops
// them.
import { toHex } from '@cloister/core';
import { drops, isDropper } from './adversaries.ts';
import { passing } from './endpoint.ts';
import { Gateway, type Routes } from './gateways.ts';
import type { Appended } from './ledger.ts';
import { eventId } from './stage.ts';

export class DroppingGateway extends Gateway {
  protected override bend(routes: Routes): Routes {
    const { adversary, network, shared } = this.stage;
    if (!isDropper(adversary)) return routes;
    return {
      ...routes,
      append: async (from, { bytes }) => {
        const event = await shared.admission(bytes, shared.crypto).catch(passing);
        if (event === undefined || !drops(adversary, event)) return routes.append(from, { bytes });
        network.count(`dropped: ${event.kind}`);
        const id = toHex(eventId(bytes));
        return { seq: this.log.length, id, status: 'accepted' } satisfies Appended;
      },
    };
  }
}
