// SPDX-License-Identifier: Apache-2.0
// Verdicts on runs in a member's folder: one file a usage record, written once and durably. What is
// lost with the folder is judged again from the ledger, as far as evidence can still be had.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import { z } from 'zod';
import { gatewayError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import type { Settled, VerdictStore } from './own-appraisals.ts';

const FOLDER = 'appraisals';
const NAME = /^([0-9a-f]{64})\.json$/;
const at = z.number().int().min(0);
const text = z.string().max(400);
const stored = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('yes'), at }),
  z.strictObject({ status: z.literal('no'), at, code: text, wanted: text, got: text }),
]);

export function verdictsIn(home: string): VerdictStore {
  return {
    async all() {
      const names = await readdir(join(home, FOLDER)).catch((error: unknown) => {
        if (!isSystemError(error)) throw error;
        return [];
      });
      const found = names.flatMap((name) => NAME.exec(name)?.[1] ?? []);
      return new Map(
        await Promise.all(found.map(async (id) => [id, await readVerdict(home, id)] as const)),
      );
    },
    async put(usage, verdict) {
      const folder = await homeFolder(home, FOLDER);
      await writeDurably(join(folder, `${usage}.json`), utf8(JSON.stringify(verdict)));
    },
  };
}

async function readVerdict(home: string, id: string): Promise<Settled> {
  const path = join(home, FOLDER, `${id}.json`);
  try {
    return stored.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const message = `${path} is no verdict on a run: remove it, and it is judged again`;
    throw gatewayError('home-malformed', message, { cause });
  }
}
