// SPDX-License-Identifier: Apache-2.0
// Blobs as plain files: `<root>/<first two hex digits>/<digest>`. A put answers only after the file
// and its folder are fsynced; a blob that is already there is not written again. Whole reads are
// checked against the digest, so a damaged disk never passes as content.
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { equal, toHex } from '../bytes.ts';
import { nodeCrypto } from '../crypto/node.ts';
import { makeFolderDurably, writeDurably } from '../durable.ts';
import { CodedError, type CoreErrorCode } from '../errors.ts';
import type { BlobStore } from '../ports.ts';

/** A blob store in the folder `root`, which is made when the first blob comes. */
export class FileBlobs implements BlobStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where a blob lies, whether or not it is there. */
  path(digest: Uint8Array): string {
    const hex = toHex(digest);
    return join(this.root, hex.slice(0, 2), hex);
  }

  async put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const digest = nodeCrypto.digest('sha256', bytes);
    if ((await this.head(digest)) === bytes.length) return digest;
    const path = this.path(digest);
    await makeFolderDurably(join(path, '..'));
    await writeDurably(path, bytes);
    return digest;
  }

  async get(digest: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#read(digest, () => readFile(this.path(digest)));
    if (!equal(nodeCrypto.digest('sha256', bytes), digest)) {
      const name = toHex(digest);
      const message = `blob ${name} does not hash to its name: restore it from another gateway`;
      throw new CodedError<CoreErrorCode>('blob-digest-mismatch', 'verification', message);
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) as Uint8Array<ArrayBuffer>;
  }

  async head(digest: Uint8Array): Promise<number | undefined> {
    return stat(this.path(digest)).then(
      (info) => info.size,
      () => undefined,
    );
  }

  async range(digest: Uint8Array, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const size = await this.head(digest);
    if (size === undefined) throw notFound(digest);
    if (!Number.isSafeInteger(start) || start < 0 || !(end >= start) || end > size) {
      const message = `bytes [${start}, ${end}) of a blob of ${size} bytes`;
      throw new CodedError<CoreErrorCode>('blob-range-invalid', 'malformed', message);
    }
    return this.#read(digest, async () => {
      const file = await open(this.path(digest), 'r');
      try {
        const out = new Uint8Array(end - start);
        for (let at = 0; at < out.length; ) {
          const { bytesRead } = await file.read(out, at, out.length - at, start + at);
          if (bytesRead === 0) throw new Error('the file ended early');
          at += bytesRead;
        }
        return out;
      } finally {
        await file.close();
      }
    });
  }

  async #read<T>(digest: Uint8Array, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(digest);
      const message = `could not read blob ${toHex(digest)}`;
      throw new CodedError<CoreErrorCode>('blob-io-failed', 'unavailable', message, { cause });
    }
  }
}

function notFound(digest: Uint8Array): CodedError<CoreErrorCode> {
  return new CodedError('blob-not-found', 'not-found', `no blob ${toHex(digest)} is stored here`);
}
