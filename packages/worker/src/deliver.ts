// SPDX-License-Identifier: Apache-2.0
// What a run hands to members' gateways. Nothing proves whose a gateway is (directory.ts), so one
// that says it is the recipient's may be another's, and take nothing, or keep nothing.
//
// Invariant: a result counts as delivered when every gateway that says it is the member's has it,
// or one of them and so many others that one of all is honest: the member's own fetches it there.
import { attestedError, gather, isPassing, patiently } from '@cloister/attested';
import { type BlobStore, isCoded } from '@cloister/core';
import type { SealedBlob, SealedResult } from './data-plane.ts';
import type { Directory } from './directory.ts';
import type { RunIdentity } from './identity.ts';
import type { Gateway, WorkerPorts } from './ports.ts';

/** How long a second one may take that says it is the member's, once the first has it all. */
const SECOND_MS = 2_000;
/** How long it may take in all: a while, and 1 ms more for so many bytes. */
const TAKE_MS = 30_000;
const SLOW_BYTES_PER_MS = 100;
/** Blobs on their way to one gateway at a time: no more of a result is in memory. */
const SIDE_BY_SIDE = 3;

/** @throws CodedError what a gateway said that took nothing, once patience has ended */
export async function deliver(
  ports: Pick<WorkerPorts, 'timers' | 'config' | 'follower'>,
  identity: RunIdentity,
  directory: Pick<Directory, 'of'>,
  { member, sealed }: { member: string; sealed: SealedResult },
): Promise<void> {
  const { timers } = ports;
  const { patienceMs } = ports.config;
  const bytes = sealed.blobs.reduce((sum, blob) => sum + blob.length, 0);
  const boundMs = TAKE_MS + bytes / SLOW_BYTES_PER_MS;
  const left = new Map<Gateway, Set<SealedBlob>>();
  const put = (gateway: Gateway) => {
    const blobs = identity.blobsOf[identity.gateways.indexOf(gateway)] as BlobStore;
    const own = left.get(gateway) ?? new Set(sealed.blobs);
    left.set(gateway, own);
    return putAll(blobs, own);
  };
  await patiently(`the gateway of ${member}`, { timers, patienceMs }, async () => {
    const own = await directory.of(member);
    const any = (got: readonly unknown[]) => got.length > 0;
    const bounds = { timers, boundMs };
    const taken = await gather(own.map(put), { ...bounds, graceMs: SECOND_MS, enough: any });
    if (taken.got.length === own.length) return true;
    const fault = taken.failures.find((failure) => !isCoded(failure));
    if (fault !== undefined) throw fault;
    if (!any(taken.got)) throw failureOf(member, taken.failures);
    const { faulty } = ports.follower.charter.witnesses;
    const enough = (got: readonly unknown[]) => taken.got.length + got.length > faulty;
    const others = identity.gateways.filter((gateway) => !own.includes(gateway));
    const more = await gather(others.map(put), { ...bounds, graceMs: 0, enough });
    if (enough(more.got)) return true;
    throw failureOf(member, [...taken.failures, ...more.failures]);
  });
}

/** Puts what is left, and leaves there what was not taken. */
async function putAll(blobs: BlobStore, left: Set<SealedBlob>): Promise<void> {
  const waiting = [...left];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await blobs.put(await next.read());
      left.delete(next);
    }
  };
  try {
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, lane));
  } finally {
    waiting.length = 0;
  }
}

/** One that may pass is tried again, whatever another one said. */
function failureOf(member: string, failures: readonly unknown[]): unknown {
  const late = () => attestedError('timed-out', `no gateway of ${member} took the result`);
  return failures.find(isPassing) ?? failures[0] ?? late();
}
