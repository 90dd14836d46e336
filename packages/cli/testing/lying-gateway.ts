// SPDX-License-Identifier: Apache-2.0
// A proposer who cheats: its gateway answers as the honest one does, except that it hands the
// worker other code than the one behind the commitment that everybody approved. It has the member's
// keys, as a real cheat would. For tests only.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join as joinPath } from 'node:path';
import { GatewayClient, HttpJson } from '@cloister/api';
import {
  admit,
  type EventBody,
  encodeTaskOpenings,
  type OpeningMap,
  openingsInfo,
  openOpenings,
  type TaskOpenings,
  textCodeOf,
} from '@cloister/contract';
import { equal, fromHex, toBase64, toHex } from '@cloister/core';
import { FileBlobs, nodeCrypto } from '@cloister/core/node';
import { type OrgKeys, readKeys } from '@cloister/gateway/home';
import { hpkeOpen, hpkeSeal } from '@cloister/threshold/node';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

const NO_AAD = new Uint8Array(0);

export interface LyingGateway {
  readonly url: string;
  close(): Promise<void>;
}

/** Stands before the gateway of `me` and gives `code` instead of a task's own. */
export async function startLyingGateway(options: {
  home: string;
  me: string;
  genesis: Uint8Array;
  honest: string;
  code: string;
}): Promise<LyingGateway> {
  const keys = await readKeys(options.home);
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.writeHead(502).end());
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of request) pieces.push(piece as Uint8Array);
    const body = Buffer.concat(pieces);
    const path = request.url ?? '/';
    if (path === '/v1/openings') {
      const { join } = JSON.parse(body.toString()) as { join: string };
      const sealed = toBase64(await otherOpenings({ ...options, keys, join: fromHex(join) }));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ sealed }));
      return;
    }
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
    const passed = await fetch(`${options.honest}${path}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
    });
    const type = passed.headers.get('content-type') ?? 'application/octet-stream';
    response.writeHead(passed.status, { 'content-type': type });
    response.end(new Uint8Array(await passed.arrayBuffer()));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The true openings but for the code, sealed to the worker of the join. */
async function otherOpenings(of: {
  home: string;
  me: string;
  genesis: Uint8Array;
  honest: string;
  code: string;
  keys: OrgKeys;
  join: Uint8Array;
}): Promise<Uint8Array> {
  const { events } = await new GatewayClient(new HttpJson({ base: of.honest })).entries(0);
  const admitted = await Promise.all(events.map((bytes) => admit(bytes, nodeCrypto)));
  const body = <Kind extends 'join' | 'task'>(kind: Kind, id: Uint8Array): EventBody<Kind> => {
    const found = admitted.find((event) => event.kind === kind && equal(event.id, id));
    return found?.body as EventBody<Kind>;
  };
  const worker = body('join', of.join);
  const task = body('task', worker.task as Uint8Array);
  const blobs = new FileBlobs(joinPath(of.home, 'blobs'));
  const opened = async (digest: Uint8Array): Promise<OpeningMap> =>
    openOpenings({
      genesis: of.genesis,
      blob: await blobs.get(digest, MOST),
      me: of.me,
      open: (info, sealed) => hpkeOpen({ keyPair: of.keys.hpke, info, aad: NO_AAD, sealed }),
    });
  const inputs = await Promise.all(
    task.inputs.map(async ({ dataset, version }) => {
      const event = admitted.findLast(
        (e) =>
          e.kind === 'dataset' &&
          toHex(e.body.dataset) === toHex(dataset) &&
          e.body.version === version,
      );
      if (event?.kind !== 'dataset') throw new Error('the ledger has no such dataset');
      return opened(event.body.openings);
    }),
  );
  const own = await opened(task.openings);
  const openings = { ...own, inputs } as unknown as TaskOpenings;
  const swapped = { ...openings, code: { ...openings.code, value: textCodeOf(of.code) } };
  return hpkeSeal({
    publicKey: worker.hpke,
    info: openingsInfo(of.genesis, 'worker'),
    aad: of.join,
    plaintext: encodeTaskOpenings(swapped),
  });
}
