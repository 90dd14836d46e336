// SPDX-License-Identifier: Apache-2.0
// A running checksum over every delivery, its time, its link and all of its content: two runs of a
// seed that differ anywhere have different traces. It is a checksum (two FNV-1a of 32 bits with
// different bases), not a digest: nobody attacks it, and bytes are hashed once however often they
// are delivered.

const PRIME = 0x0100_0193;

export class Trace {
  #one = 0x811c_9dc5;
  #two = 0x9747_b28c;
  readonly #known = new WeakMap<object, number>();

  add(where: string, content: unknown): void {
    this.#mix(ofText(where));
    this.#walk(content);
  }

  digest(): string {
    return [this.#one, this.#two].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  }

  #mix(value: number): void {
    this.#one = Math.imul(this.#one ^ value, PRIME) >>> 0;
    this.#two = (Math.imul(this.#two, PRIME) ^ value) >>> 0;
  }

  #walk(value: unknown): void {
    if (value instanceof Uint8Array) {
      const known = this.#known.get(value) ?? ofBytes(value);
      this.#known.set(value, known);
      this.#mix(known);
    } else if (typeof value === 'string') this.#mix(ofText(value));
    else if (typeof value === 'number') this.#mix(ofText(String(value)));
    else if (Array.isArray(value)) {
      this.#mix(value.length);
      for (const item of value) this.#walk(item);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        this.#mix(ofText(key));
        this.#walk(item);
      }
    } else this.#mix(ofText(String(value)));
  }
}

function ofText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}

function ofBytes(bytes: Uint8Array): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), PRIME);
  return hash >>> 0;
}
