// SPDX-License-Identifier: Apache-2.0
// Reads a range of a source through windows of bounded size, with one window read ahead.
import type { CheckedSource } from './sources-and-sinks.ts';

export const WINDOW_BYTES = 4 * 1024 * 1024;

/** Memory that windows are read into and that serves again: fresh memory costs a fault a page. */
export class Slabs {
  private readonly free: Uint8Array[] = [];
  private readonly shared: boolean;

  /** @param shared whether other threads see it; V8 takes thrice as long to copy into it */
  constructor({ shared }: { readonly shared: boolean }) {
    this.shared = shared;
  }

  take(): Uint8Array {
    return this.free.pop() ?? new Uint8Array(this.make(WINDOW_BYTES));
  }

  private make(length: number): ArrayBufferLike {
    return this.shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length);
  }

  give(slab: Uint8Array): void {
    this.free.push(slab);
  }
}

/** A window, and the slab that it is in where there is one. */
export interface Window {
  readonly bytes: Uint8Array;
  /** True where no window follows. */
  readonly last: boolean;
  readonly slab?: Uint8Array;
}

/** Bytes [start, end) of a source, in order. */
export async function* readWindows(
  source: CheckedSource,
  range: { readonly start: number; readonly end: number; readonly name: string },
  slabs?: Slabs,
): AsyncGenerator<Window> {
  const { end, name } = range;
  const read = async (at: number): Promise<Window> => {
    const length = Math.min(WINDOW_BYTES, end - at);
    const last = at + length === end;
    if (slabs === undefined) return { bytes: await source.read(at, length, name), last };
    const slab = slabs.take();
    const bytes = slab.subarray(0, length);
    await source.readInto(at, bytes, name);
    return { bytes, last, slab };
  };
  let ahead: Promise<Window> | undefined;
  for (let at = range.start; at < end; at += WINDOW_BYTES) {
    const window = await (ahead ?? read(at));
    ahead = at + WINDOW_BYTES < end ? read(at + WINDOW_BYTES) : undefined;
    // An error of it shows when its turn comes, or never, where reading stops before.
    ahead?.catch(() => undefined);
    yield window;
  }
}
