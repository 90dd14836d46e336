// SPDX-License-Identifier: Apache-2.0
// The embedded ledger as a process: it orders what the charter's members send. Whether an event is
// right is for everybody's fold; this process folds its own log to know who the members are, once
// somebody comes whom it does not know, and now and then. Until then a removed member may append
// what every reader holds void.
import { join } from 'node:path';
import { REQUEST_HEADER, verifyRequest } from '@cloister/api';
import {
  type CharterBody,
  emptyState,
  type FoldState,
  foldEntry,
  type Ledger,
} from '@cloister/contract';
import { equal, Lane, requestError, systemClock } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type LedgerServer, serveLedger } from '@cloister/ledger-log';
import { logOrigin } from '@cloister/tlog';
import type { CharterFile } from './charter-file.ts';

/** How old its reading may be for somebody whom it does not know, and for members. */
const STRANGER_MS = 1_000;
const KNOWN_MS = 60_000;
const PAGE = 500;

/** Serves the ledger of a charter from `folder`. */
export async function serveCharterLedger(options: {
  charter: CharterFile;
  folder: string;
  host: string;
  port: number;
}): Promise<LedgerServer> {
  const { charter, folder, host, port } = options;
  const { genesis } = charter;
  const members = new Members(charter);
  const server = await serveLedger({
    folder: join(folder, 'log'),
    origin: logOrigin(genesis),
    host,
    port,
    async authenticate(request) {
      const { method, path, bodyDigest } = request;
      const header = request.headers[REQUEST_HEADER];
      const facts = { genesis, method, path, body: { sha256: bodyDigest } };
      const caller = await verifyRequest(header, facts, { crypto: nodeCrypto, clock: systemClock });
      const member = await members.byKey(caller);
      if (member !== undefined) return member;
      const message = 'this ledger answers members of its charter only';
      throw requestError('request-forbidden', message);
    },
    // A member's gateway vouches for what it forwards, and pays for it.
    authorise: () => undefined,
  });
  members.follow(server.ledger);
  return server;
}

/** The members of the charter in force, as this log has it. */
class Members {
  readonly #founding: CharterBody;
  readonly #state: FoldState;
  #ledger: Pick<Ledger, 'read'> | undefined;
  #lane = new Lane();
  #foldedAt = 0;

  constructor({ genesis, body }: CharterFile) {
    this.#founding = body;
    this.#state = emptyState(genesis);
  }

  follow(ledger: Pick<Ledger, 'read'>): void {
    this.#ledger = ledger;
  }

  /** The id of the member whose identity key this is. */
  async byKey(key: Uint8Array): Promise<string | undefined> {
    const known = this.#find(key);
    const age = performance.now() - this.#foldedAt;
    if (this.#foldedAt === 0 || age > (known === undefined ? STRANGER_MS : KNOWN_MS)) {
      const folded = this.#lane.run(() => this.#fold());
      if (known === undefined) await folded;
      else folded.catch(() => undefined);
    }
    return this.#find(key);
  }

  #find(key: Uint8Array): string | undefined {
    const { members } = this.#state.charter ?? this.#founding;
    return members.find(({ identity }) => equal(identity, key))?.id;
  }

  async #fold(): Promise<void> {
    this.#foldedAt = performance.now();
    for (;;) {
      const { events } = (await this.#ledger?.read(this.#state.seq, PAGE)) ?? { events: [] };
      for (const event of events) await foldEntry(this.#state, event, nodeCrypto);
      if (events.length === 0) return;
    }
  }
}
