// SPDX-License-Identifier: Apache-2.0
// A result as its recipient opens it, for this package's tests: keys from the bundle, parts from
// the list that the usage record names, rows in their order.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  decodeKeyBundle,
  decodeResultKeys,
  decodeResultParts,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { toHex } from '@cloister/core';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  numberedKeys,
} from '@cloister/parquet-crypto';
import type { Cell, TestTables } from '@cloister/testkit/engines';
import { namedSecret } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen } from '@cloister/threshold/node';
import type { Stage } from './stage.ts';

/** The rows of each part of the first statement of a run's result that `member` may open. */
export async function openedParts(
  stage: Stage,
  of: { task: Uint8Array; run: Uint8Array; member: string; files: TestTables },
): Promise<Cell[][][]> {
  const { task, run, member, files } = of;
  const usage = stage.world.state.runs.get(toHex(run))?.usage?.body;
  const blob = (digest: Uint8Array) => stage.shared.blobs.get(toHex(digest)) as Uint8Array;
  const { statements, bundle } = decodeResultParts(blob(usage?.result as Uint8Array));
  const { genesis, seed } = stage.world;
  const keyPair = hpkeKeyPairFrom(namedSecret(seed, `${member}/hpke`));
  const info = resultKeysInfo({ genesis, task, run, member });
  const sealed = decodeKeyBundle(blob(bundle)).get(member) as Uint8Array;
  const opened = hpkeOpen({ keyPair, info, aad: new Uint8Array(0), sealed });
  const [file] = decodeResultKeys(opened).files;
  if (file === undefined) throw new Error(`${member} opens nothing`);
  const { columns, lengths, statement } = file;
  const parts: Cell[][][] = [];
  for (const [part, digest] of (statements[statement] ?? []).entries()) {
    const sink = new BufferSink();
    await decryptProjection({
      source: bufferSource(blob(digest).subarray(0, lengths[part])),
      sink,
      keys: numberedKeys(columns.map(({ id, key }) => [id, key])),
      columns: columns.filter(({ id }) => id > 0).map(({ name }) => name),
      aadPrefix: resultAadPrefix({ genesis, task, run, statement, part }),
    });
    const path = join(stage.scratch, `opened-${toHex(run)}-${part}.parquet`);
    await writeFile(path, sink.bytes());
    parts.push(await files.read([path]));
  }
  return parts;
}
