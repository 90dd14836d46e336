// SPDX-License-Identifier: Apache-2.0
// The embedded ledger as a process: it orders what the charter's members send. It knows only the
// charter it was started with; whether an event is right is for everybody's fold.
import { join } from 'node:path';
import { REQUEST_HEADER, verifyRequest } from '@cloister/api';
import { equal, requestError, systemClock } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type LedgerServer, serveLedger } from '@cloister/ledger-log';
import { logOrigin } from '@cloister/tlog';
import type { CharterFile } from './charter-file.ts';

/** Serves the ledger of a charter from `folder`. */
export function serveCharterLedger(options: {
  charter: CharterFile;
  folder: string;
  host: string;
  port: number;
}): Promise<LedgerServer> {
  const { charter, folder, host, port } = options;
  const { genesis, body } = charter;
  return serveLedger({
    folder: join(folder, 'log'),
    origin: logOrigin(genesis),
    host,
    port,
    async authenticate(request) {
      const { method, path, bodyDigest } = request;
      const header = request.headers[REQUEST_HEADER];
      const facts = { genesis, method, path, body: { sha256: bodyDigest } };
      const caller = await verifyRequest(header, facts, { crypto: nodeCrypto, clock: systemClock });
      const member = body.members.find(({ identity }) => equal(identity, caller));
      if (member !== undefined) return member.id;
      const message = 'this ledger answers members of its charter only';
      throw requestError('request-forbidden', message);
    },
    // A member's gateway vouches for what it forwards; the quota is per signer.
    authorise: () => undefined,
  });
}
