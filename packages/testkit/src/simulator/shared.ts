// SPDX-License-Identifier: Apache-2.0
// Pure work done once for all nodes of a seed: admission of the same bytes, verification of the
// same signature over the same bytes under the same key, a deterministic signature over the same
// bytes. Invariant: an answer depends on nothing but what it is kept under, so sharing it changes
// no node's verdict; nothing is shared between seeds.
import { type Admission, type AnyEvent, admit } from '@cloister/contract';
import { type CryptoPort, concat, type Signer } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { opensslCurve } from '@cloister/threshold/node';
import { namedSigner } from '../world/index.ts';

export class SharedWork {
  readonly crypto: CryptoPort;
  readonly admission: Admission;
  readonly #events = new Map<string, Promise<AnyEvent>>();
  readonly #verdicts = new Map<string, Promise<boolean>>();
  readonly #signers = new Map<string, Signer>();
  readonly #names = new WeakMap<Uint8Array, string>();
  readonly #seed: string;

  /** `hold` keeps virtual time still while an admission goes on. */
  constructor(seed: string, hold: <T>(work: Promise<T>) => Promise<T>) {
    this.#seed = seed;
    this.crypto = {
      ...nodeCrypto,
      digest: (hash, ...parts) => nodeCrypto.digest(hash, joined(parts)),
      verifyEd25519: (key, data, signature) => this.#verify(key, data, signature),
    };
    this.admission = (bytes) => {
      const name = this.nameOf(bytes);
      const known = this.#events.get(name);
      if (known !== undefined) return known;
      const admitted = hold(admit(bytes, this.crypto, { curve: opensslCurve }));
      admitted.catch(() => undefined);
      this.#events.set(name, admitted);
      return admitted;
    };
  }

  /** Digest of bytes that nobody changes any more. */
  nameOf(bytes: Uint8Array): string {
    const known = this.#names.get(bytes);
    if (known !== undefined) return known;
    const name = latin(nodeCrypto.digest('sha256', bytes));
    this.#names.set(bytes, name);
    return name;
  }

  /** The signer of this name, whose answers are kept. */
  signer(name: string): Signer {
    const known = this.#signers.get(name);
    if (known !== undefined) return known;
    const signer = this.#remembering(namedSigner(this.#seed, name));
    this.#signers.set(name, signer);
    return signer;
  }

  /** Ed25519 is deterministic: the same bytes have the same signature, and it holds. */
  #remembering(signer: Signer): Signer {
    const known = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
    const sign = async (data: Uint8Array) => {
      const signature = await signer.sign(data);
      this.#verdicts.set(questionOf(signer.key, data, signature), HOLDS);
      return signature;
    };
    return {
      key: signer.key,
      sign(data) {
        const name = latin(nodeCrypto.digest('sha256', data));
        const signature = known.get(name) ?? sign(data);
        known.set(name, signature);
        return signature;
      },
    };
  }

  #verify(key: Uint8Array, data: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (key.length !== 32 || signature.length !== 64) {
      return nodeCrypto.verifyEd25519(key, data, signature);
    }
    const question = questionOf(key, data, signature);
    const known = this.#verdicts.get(question);
    if (known !== undefined) return known;
    const verdict = nodeCrypto.verifyEd25519(key, data, signature);
    this.#verdicts.set(question, verdict);
    return verdict;
  }
}

const HOLDS = Promise.resolve(true);

function questionOf(key: Uint8Array, data: Uint8Array, signature: Uint8Array): string {
  return latin(nodeCrypto.digest('sha256', concat(key, signature, data)));
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

const scratch = new Uint8Array(4_096);

/** In one piece: one call of OpenSSL is faster than several. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > scratch.length) return concat(...parts);
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return scratch.subarray(0, length);
}
