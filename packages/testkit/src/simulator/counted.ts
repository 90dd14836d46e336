// SPDX-License-Identifier: Apache-2.0
// "A usage record counts with the receipts of t seats": who really signed what, as it opened, and
// whether what a fold has counted stands on that. What counts is billed and opened.
import type { AdmittedEvent } from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import type { Stage } from './stage.ts';

interface Signed {
  readonly by: string;
  readonly join: Uint8Array;
  readonly epoch: Uint8Array;
  /** Input and column of all that was opened but footers. */
  readonly opened: string;
}

export class Counted {
  readonly #stage: Stage;
  /** By the bytes of the receipt. */
  readonly #signed = new Map<string, Signed>();

  constructor(stage: Stage) {
    this.#stage = stage;
    stage.folded = (member, { status, event }) => {
      if (status !== 'accepted' || event?.kind !== 'usage') return;
      this.judge(`the gateway of ${member}`, event);
    };
  }

  signed(
    by: string,
    receipt: Uint8Array,
    of: Pick<Signed, 'join' | 'epoch'> & {
      partials: readonly { readonly input: number; readonly column: number }[];
    },
  ): void {
    const columns = of.partials.filter(({ column }) => column !== 0);
    const opened = listed(columns.map(({ input, column }) => [input, column]));
    const { join, epoch } = of;
    this.#signed.set(this.#stage.shared.nameOf(receipt), { by, join, epoch, opened });
  }

  judge(where: string, { body }: AdmittedEvent<'usage'>): void {
    const wrong = this.#wrongWith(body);
    if (wrong === undefined) return;
    this.#stage.violate(`${where} counts a usage record: ${wrong}`);
  }

  #wrongWith(body: AdmittedEvent<'usage'>['body']): string | undefined {
    const { shared, world } = this.#stage;
    const recorded = listed(body.inputs.flatMap(({ columns }, i) => columns.map((c) => [i, c])));
    const holders = new Set<string>();
    for (const bytes of body.receipts) {
      const receipt = this.#signed.get(shared.nameOf(bytes));
      if (receipt === undefined) return 'a receipt that no keeper signed as it opened';
      const { by, join, epoch, opened } = receipt;
      if (!equal(join, body.join)) return `a receipt of ${by} for another run`;
      if (!equal(epoch, body.epoch)) return `a receipt of ${by} in another epoch`;
      if (opened !== recorded) return `${by} opened ${opened}, not ${recorded}`;
      if (holders.has(by)) return `the receipt of ${by} twice`;
      holders.add(by);
    }
    const { threshold } = world.state.epochs.get(toHex(body.epoch)) ?? { threshold: 1 };
    return holders.size < threshold ? `receipts of ${holders.size} of ${threshold}` : undefined;
  }
}

function listed(columns: readonly (readonly number[])[]): string {
  return columns
    .map((at) => at.join(':'))
    .sort()
    .join(' ');
}
