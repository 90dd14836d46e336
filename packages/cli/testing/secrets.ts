// SPDX-License-Identifier: Apache-2.0
// Looks for every secret that a raised world has on disk, and for plain text that must not travel,
// wherever something could have put it: all files under the world's folder (logs, ledger, copies,
// blobs, uploads, scratch), and arguments and environment of every process. A secret is searched
// raw, in hexadecimal, and in base64 and base64url at each of the three alignments that it can have
// inside something longer.
//
// Not searched, because nobody outside has them: shares, keepers' and workers' own keys, and the
// keys of files' data under the master keys.
import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fromHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { decodeDevelopmentRoot } from '@cloister/evidence/mint';
import { CAST } from '../src/demo/cast.ts';
import type { Theatre } from './theatre.ts';

/** Something that may lie in one file and nowhere else. */
export interface Secret {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The file, relative to the world's folder, that is allowed to hold it. */
  readonly home: string;
}

/** Every file below `folder`, relative to it. */
function everyFile(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** Keys, seeds and tokens of all members and operators, as their folders hold them now. */
export function secretsOf({ folder }: Theatre): Secret[] {
  const text = (path: string) => readFileSync(join(folder, path), 'utf8').trim();
  return CAST.flatMap(({ id }): Secret[] => {
    const keys = JSON.parse(text(`${id}/keys.json`)) as Record<string, unknown>;
    const seeds = Object.entries(keys).flatMap(([name, seed]) =>
      typeof seed === 'string' ? [secret(`${id}/keys.json`, name, fromHex(seed))] : [],
    );
    const tag = nodeCrypto.digest('sha256', utf8('cloister/tag-key/v1'), seedOf(keys, 'identity'));
    return [
      ...seeds,
      secret(`${id}/keys.json`, 'tag key', tag),
      secret(`${id}/operator.key`, 'operator', fromHex(text(`${id}/operator.key`))),
      secret(`${id}/admin-token`, 'token', utf8(text(`${id}/admin-token`))),
      ...vaultKeys(folder, id),
      ...developmentKeys(folder, id),
    ];
  });
}

function secret(home: string, name: string, bytes: Uint8Array): Secret {
  return { name: `${name} of ${home}`, bytes, home };
}

function seedOf(keys: Record<string, unknown>, name: string): Uint8Array {
  return fromHex(String(keys[name]));
}

function vaultKeys(folder: string, member: string): Secret[] {
  return readdirSync(join(folder, member, 'vault')).flatMap((name) => {
    const home = `${member}/vault/${name}`;
    const entry = JSON.parse(readFileSync(join(folder, home), 'utf8')) as {
      keys: [number, string][];
    };
    return entry.keys.map(([column, key]) => secret(home, `column ${column}`, fromHex(key)));
  });
}

/** The private numbers of every key in a simulated machine's box. */
function developmentKeys(folder: string, member: string): Secret[] {
  const roots = readdirSync(join(folder, member, 'hardware')).filter((n) => n.endsWith('.root'));
  return roots.flatMap((name) => {
    const home = `${member}/hardware/${name}`;
    const { keys } = decodeDevelopmentRoot(readFileSync(join(folder, home)));
    return Object.entries(keys).map(([key, der]) => {
      const { d } = createPrivateKey({
        key: Buffer.from(der),
        format: 'der',
        type: 'pkcs8',
      }).export({
        format: 'jwk',
      });
      return secret(home, key, new Uint8Array(Buffer.from(d ?? '', 'base64url')));
    });
  });
}

/** The bytes and every usual spelling of them. */
export function formsOf(bytes: Uint8Array): Buffer[] {
  const plain = Buffer.from(bytes);
  const hex = plain.toString('hex');
  const base64 = [0, 1, 2].flatMap((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), plain]).toString('base64url');
    // The first and last characters depend on what stands beside.
    const first = shift === 0 ? 0 : shift + 1;
    const inner = shifted.slice(first, Math.floor(((shift + plain.length) * 8) / 6));
    return [inner, inner.replaceAll('-', '+').replaceAll('_', '/')];
  });
  const texts = [hex, hex.toUpperCase(), ...base64];
  return [plain, ...[...new Set(texts)].map((text) => Buffer.from(text))];
}

/** One thing after another, and which part of the whole came from where. */
export class Haystack {
  readonly places: readonly string[];
  readonly #whole: Buffer;
  readonly #starts: number[] = [];

  constructor(parts: ReadonlyMap<string, Uint8Array>) {
    this.places = [...parts.keys()];
    let at = 0;
    for (const bytes of parts.values()) {
      this.#starts.push(at);
      at += bytes.length + 1;
    }
    this.#whole = Buffer.concat([...parts.values()].flatMap((b) => [b, Buffer.from([0x0a])]));
  }

  /** Where any of the needles is. */
  holders(needles: readonly Uint8Array[]): string[] {
    const found = new Set<string>();
    for (const needle of needles) {
      for (
        let at = this.#whole.indexOf(needle);
        at >= 0;
        at = this.#whole.indexOf(needle, at + 1)
      ) {
        const part = this.#starts.findLastIndex((start) => start <= at);
        found.add(this.places[part] as string);
      }
    }
    return [...found].sort();
  }
}

/**
 * Everything that a world has written or shown; `input` is what its people brought. The world goes
 * on: where a file was replaced between listing and reading, everything is read again.
 */
export function everything(theatre: Theatre): Haystack {
  for (let left = 20; ; left--) {
    try {
      return read(theatre);
    } catch (error) {
      if (left === 0 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function read({ folder, world }: Theatre): Haystack {
  const parts = new Map<string, Uint8Array>();
  for (const path of everyFile(folder)) {
    if (!path.startsWith('input/')) parts.set(path, readFileSync(join(folder, path)));
  }
  for (const pid of world.stage.pids) {
    for (const what of ['cmdline', 'environ'] as const) {
      parts.set(`process ${pid} ${what}`, readFileSync(`/proc/${pid}/${what}`));
    }
  }
  return new Haystack(parts);
}

/** Whether only its owner may read a file. */
export function isPrivate({ folder }: Theatre, path: string): boolean {
  return (statSync(join(folder, path)).mode & 0o077) === 0;
}

/** What of the secrets is somewhere else than at home, or is not private there. */
export function strays(theatre: Theatre): string[] {
  const hay = everything(theatre);
  return secretsOf(theatre).flatMap(({ name, bytes, home }) => {
    const elsewhere = hay.holders(formsOf(bytes)).filter((place) => place !== home);
    const open = isPrivate(theatre, home) ? [] : [`${name}: others can read ${home}`];
    return [...elsewhere.map((place) => `${name} is in ${place}`), ...open];
  });
}
