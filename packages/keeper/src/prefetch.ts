// SPDX-License-Identifier: Apache-2.0
// While the witnesses sign: fetches what a decision will need, each pi verified. Only for a join
// whose rights hold, its keys only once its evidence is here, and little at once: whoever may ask
// for a challenge has judged nothing of the blobs that its events name.
//
// Invariants: never more than `blobs` under way, nor than `bytes` that they may have together; what
// finds no room is left to the decision, and so are failures.
import {
  BLOB_MOST,
  columnLabel,
  type FoldState,
  type RightInput,
  rightsOfJoin,
} from '@cloister/contract';
import { type BlobStore, isCoded } from '@cloister/core';
import type { CheckedKeys } from './checked-keys.ts';

const KEYS_EACH = 64;
const ROOM = { blobs: 256, bytes: 2 * 1_048_576 };

export interface PrefetchPorts {
  readonly genesis: Uint8Array;
  readonly blobs: Pick<BlobStore, 'get'>;
  readonly checked?: CheckedKeys | undefined;
}

export class Prefetch {
  readonly #ports: PrefetchPorts;
  #room = { ...ROOM };

  constructor(ports: PrefetchPorts) {
    this.#ports = ports;
  }

  /** For the join `key`, as the state stands; `rights` where they have been judged already. */
  async begin(state: FoldState, key: string, rights = rightsOfJoin(state, key)): Promise<void> {
    const { genesis, blobs, checked } = this.#ports;
    const join = state.joins.get(key)?.body;
    if (join === undefined || !rights.ok) return;
    const { evidence } = join;
    const most = BLOB_MOST.evidence;
    if (!(await this.#within(most, () => blobs.get(evidence, most)))) return;
    const columns = rights.inputs.flatMap(askedColumns).slice(0, KEYS_EACH);
    const prepared = columns.map(({ input, id, sealed }) =>
      this.#within(BLOB_MOST.sealedKey, () => {
        const label = columnLabel(genesis, input, id);
        return checked?.prepare(blobs, sealed, label) ?? blobs.get(sealed, BLOB_MOST.sealedKey);
      }),
    );
    await Promise.all(prepared);
  }

  /** Whether it was fetched: there was room for it, and it did not fail. */
  async #within(bytes: number, fetch: () => Promise<unknown>): Promise<boolean> {
    const room = this.#room;
    if (room.blobs < 1 || room.bytes < bytes) return false;
    room.blobs -= 1;
    room.bytes -= bytes;
    try {
      await fetch();
      return true;
    } catch (error) {
      if (!isCoded(error)) throw error;
      return false;
    } finally {
      room.blobs += 1;
      room.bytes += bytes;
    }
  }
}

/** The sealed keys that a decision may need: the footer's and those of the columns asked for. */
function askedColumns(input: RightInput) {
  return input.body.columns
    .filter(({ id }) => id === 0 || input.input.columns.includes(id))
    .map(({ id, sealed }) => ({ input, id, sealed }));
}
