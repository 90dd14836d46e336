// SPDX-License-Identifier: Apache-2.0
// Blobs as plain files: `<root>/<first two hex digits>/<digest>`. A put answers only after the file
// and its folder are fsynced. A blob that is already there whole is not written again; one that a
// disk has damaged is replaced. Whole reads are checked against the digest, so a damaged disk never
// passes as content.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { equal, toHex } from '../bytes.ts';
import { nodeCrypto } from '../crypto/node.ts';
import {
  type FileSystem,
  makeFolderDurably,
  nodeFileSystem,
  syncFolder,
  writeDurably,
} from '../durable.ts';
import {
  type CodedError,
  type CoreErrorCode,
  coreError,
  isCoded,
  isSystemError,
} from '../errors.ts';
import type { BlobStore } from '../ports.ts';
import { blobTooLarge } from './too-large.ts';

/** A blob store in the folder `root`, which is made when the first blob comes. */
export class FileBlobs implements BlobStore {
  readonly root: string;
  readonly #fs: FileSystem;

  constructor(root: string, fs: FileSystem = nodeFileSystem) {
    this.root = root;
    this.#fs = fs;
  }

  /** Where a blob lies, whether or not it is there. @throws CodedError `blob-digest-malformed` */
  path(digest: Uint8Array): string {
    if (digest.length !== 32) {
      const message = `a blob is named by 32 bytes, got ${digest.length}`;
      throw coreError('blob-digest-malformed', message);
    }
    const hex = toHex(digest);
    return join(this.root, hex.slice(0, 2), hex);
  }

  /** @throws CodedError `blob-io-failed`: the blob must be taken as not stored */
  async put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const digest = nodeCrypto.digest('sha256', bytes);
    const path = this.path(digest);
    const folder = join(path, '..');
    await this.#attempt('store', toHex(digest), async () => {
      if (await this.#holds(path, bytes)) return syncFolder(folder, this.#fs);
      await makeFolderDurably(folder, this.#fs);
      await writeDurably(path, bytes, 0o644, this.#fs);
    });
    return digest;
  }

  /**
   * Takes over a file of the same file system: hashed in pieces, fsynced, then moved into place.
   * @throws CodedError `blob-io-failed`: the blob must be taken as not stored
   */
  async adopt(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const running = createHash('sha256');
    return this.#attempt('store', 'from a file', async () => {
      const file = await this.#fs.open(path, 'r+');
      try {
        for await (const piece of file.createReadStream({ autoClose: false }))
          running.update(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      const digest = new Uint8Array(running.digest());
      const folder = join(this.path(digest), '..');
      await makeFolderDurably(folder, this.#fs);
      await this.#fs.rename(path, this.path(digest));
      await syncFolder(folder, this.#fs);
      return digest;
    });
  }

  async get(digest: Uint8Array, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const path = this.path(digest);
    const bytes = await this.#attempt('read', toHex(digest), async () => {
      const { size } = await this.#fs.stat(path);
      if (size > most) throw blobTooLarge(digest, { from: 'the folder', got: size, most });
      return this.#fs.readFile(path);
    });
    if (!equal(nodeCrypto.digest('sha256', bytes), digest)) {
      const name = toHex(digest);
      const message = `blob ${name} does not hash to its name: restore it from another gateway`;
      throw coreError('blob-digest-mismatch', message);
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) as Uint8Array<ArrayBuffer>;
  }

  /**
   * Forgets a blob; one that is not here is forgotten already. Durable once it answers.
   * @throws CodedError `blob-io-failed`
   */
  async remove(digest: Uint8Array): Promise<void> {
    const path = this.path(digest);
    if ((await this.head(digest)) === undefined) return;
    await this.#attempt('remove', toHex(digest), async () => {
      await this.#fs.unlink(path);
      await syncFolder(join(path, '..'), this.#fs);
    });
  }

  async head(digest: Uint8Array): Promise<number | undefined> {
    const path = this.path(digest);
    return this.#attempt('read', toHex(digest), async () => (await this.#fs.stat(path)).size).catch(
      (error: unknown) => {
        if (isCoded(error, 'blob-not-found')) return undefined;
        throw error;
      },
    );
  }

  async range(
    digest: Uint8Array,
    start: number,
    end: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const size = await this.head(digest);
    if (size === undefined) throw notFound(toHex(digest));
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (!whole || start < 0 || end < start || end > size) {
      const message = `bytes [${start}, ${end}) of a blob of ${size} bytes`;
      throw coreError('blob-range-invalid', message);
    }
    return this.#attempt('read', toHex(digest), async () => {
      const file = await this.#fs.open(this.path(digest), 'r');
      try {
        const out = (into ?? new Uint8Array(end - start)).subarray(0, end - start);
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

  async #holds(path: string, bytes: Uint8Array): Promise<boolean> {
    try {
      const { size } = await this.#fs.stat(path);
      return size === bytes.length && equal(await this.#fs.readFile(path), bytes);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return false;
    }
  }

  async #attempt<T>(verb: string, name: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      if (!isSystemError(cause)) throw cause;
      if (verb === 'read' && cause.code === 'ENOENT') throw notFound(name);
      const message = `could not ${verb} blob ${name} (${cause.code})`;
      throw coreError('blob-io-failed', message, { cause });
    }
  }
}

function notFound(name: string): CodedError<CoreErrorCode> {
  return coreError('blob-not-found', `no blob ${name} is stored here`);
}
