// SPDX-License-Identifier: Apache-2.0
// A source may be anything that answers ranges: here an HTTP server on loopback that knows Range,
// and a digest tree that checks each chunk of the file that a range touches.
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { holding, seal } from '../testing/files.ts';
import { mintParquet } from '../testing/mint.ts';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  inspectParquet,
  type RandomAccess,
} from './index.ts';

const CHUNK_BYTES = 4096;
const plain = mintParquet({ columns: 3, rowGroups: 3, pages: 4, valuesPerPage: 20_000 });

let sealed: Uint8Array<ArrayBuffer>;
let server: Server;
let served = 0;
beforeAll(async () => {
  sealed = await seal(plain, { columnKeys: 'footer-key' });
  server = createServer((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const body = sealed.subarray(Number(from), Number(to) + 1);
    served += body.length;
    response.writeHead(206, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function httpSource(): RandomAccess {
  const { port } = server.address() as AddressInfo;
  return {
    size: sealed.length,
    async read(offset, length) {
      const range = `bytes=${offset}-${offset + length - 1}`;
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { range } });
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

/** A source that reads whole chunks of another and compares each with its digest. */
function checkedSource(source: RandomAccess, digests: readonly string[]): RandomAccess {
  return {
    size: source.size,
    async read(offset, length) {
      const first = Math.floor(offset / CHUNK_BYTES);
      const start = first * CHUNK_BYTES;
      const last = Math.ceil((offset + length) / CHUNK_BYTES);
      const bytes = await source.read(start, Math.min(source.size, last * CHUNK_BYTES) - start);
      for (let i = first; i < last; i++) {
        const chunk = bytes.subarray((i - first) * CHUNK_BYTES, (i - first + 1) * CHUNK_BYTES);
        if (digest(chunk) !== digests[i]) throw new Error(`chunk ${i} is not what it was`);
      }
      return bytes.subarray(offset - start, offset - start + length);
    },
  };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function digestsOf(bytes: Uint8Array): string[] {
  const count = Math.ceil(bytes.length / CHUNK_BYTES);
  return Array.from({ length: count }, (_, i) =>
    digest(bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)),
  );
}

async function project(source: RandomAccess) {
  const sink = new BufferSink();
  const options = { source, sink, keys: holding(), columns: ['c1'], rowGroups: [0, 2] };
  const report = await decryptProjection(options);
  return { report, bytes: sink.bytes() };
}

test('over HTTP, a projection fetches what it reports and no more', async () => {
  const local = await project(bufferSource(sealed));
  served = 0;
  const { report, bytes } = await project(httpSource());
  expect(digest(bytes)).toBe(digest(local.bytes));
  expect(served).toBe(report.bytesRead);
  // Two of three row groups of one of three columns, the end of the file and its first four bytes.
  const { columns } = await inspectParquet(bufferSource(sealed), { keys: holding() });
  const chunks = ((columns[1]?.sizes?.compressedBytes ?? 0) * 2) / 3;
  expect(Number.isInteger(chunks)).toBe(true);
  expect(served).toBe(chunks + 64 * 1024 + 4);
});

test('under a digest tree, a changed chunk is found where it is read', async () => {
  const digests = digestsOf(sealed);
  const { bytes } = await project(checkedSource(httpSource(), digests));
  expect(digest(bytes)).toBe(digest((await project(bufferSource(sealed))).bytes));
  const wrong = digests.map((d, i) => (i === digests.length - 1 ? '' : d));
  await expect(project(checkedSource(httpSource(), wrong))).rejects.toThrow('is not what it was');
});

test('a source that fails passes its error on, and the same call works again', async () => {
  let failures = 1;
  const inner = bufferSource(sealed);
  const flaky: RandomAccess = {
    size: inner.size,
    read: async (offset, length) => {
      if (offset > 0 && offset < inner.size / 2 && failures-- > 0) throw new Error('cut off');
      return await inner.read(offset, length);
    },
  };
  await expect(project(flaky)).rejects.toThrow('cut off');
  expect((await project(flaky)).report.rows).toBe(160_000);
});
