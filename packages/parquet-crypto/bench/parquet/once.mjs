// SPDX-License-Identifier: Apache-2.0
// One encryption or decryption from file to file, for the bench; in a process of its own it prints
// the largest resident set in MB. That is the kernel's mark for this program alone: the one that
// getrusage answers counts the parent before it too.
//
//   node once.mjs encrypt|decrypt <from> <to> <threads, 0 for none>
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import {
  assertFullyEncrypted,
  CryptoPool,
  decryptProjection,
  encryptParquet,
  fileSink,
  fileSource,
  inspectParquet,
  masterKeys,
} from '@cloister/parquet-crypto';
import { COLUMN_KEY, FOOTER_KEY } from './keys.mjs';

const keys = masterKeys(new Map([FOOTER_KEY, COLUMN_KEY].map((k) => [k.id, k.masterKey])));

/** Does one of `encrypt`, `decrypt` and `prove`. */
export async function once(what, from, to, pool) {
  const input = await open(from);
  const output = what === 'prove' ? undefined : await open(to, 'w');
  try {
    const source = await fileSource(input);
    const { columns } = await inspectParquet(source, { keys });
    const paths = columns.map((column) => column.path);
    if (what === 'encrypt') {
      const columnKeys = new Map(paths.map((path) => [path, COLUMN_KEY]));
      const sink = fileSink(output);
      return await encryptParquet({ source, sink, footerKey: FOOTER_KEY, columnKeys, pool });
    }
    if (what === 'prove') return await assertFullyEncrypted(source, keys, { pool });
    const sink = fileSink(output);
    return await decryptProjection({ source, sink, keys, columns: paths, pool });
  } finally {
    await Promise.all([input.close(), output?.close()]);
  }
}

function residentMax() {
  try {
    const [, kb] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return (Number(kb) * 1024) / 1e6;
  } catch {
    return process.resourceUsage().maxRSS / 1e3;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , what, from, to, threads] = process.argv;
  const pool = Number(threads) > 0 ? new CryptoPool(Number(threads)) : undefined;
  await once(what, from, to, pool);
  await pool?.close();
  process.stdout.write(`${JSON.stringify({ resident: residentMax() })}\n`);
}
