// SPDX-License-Identifier: Apache-2.0
// Which text the engine is given, and how it reads it: from anywhere in it only where every line
// end is that of a row; in one piece only what it can keep in memory.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from '../../testing/ingest.ts';
import { asItIs, inRows, readText } from './engine-text.ts';
import { inspectInput } from './inspect.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

const GIB = 2 ** 30;

async function looked(text: string) {
  const path = await desk.given('t.csv', text);
  return { path, folder: await desk.folder(), found: await inspectInput(path) };
}

describe('a text', () => {
  it('is read from several places at once only where no field holds a line end', async () => {
    const plain = await looked('a,b\n"x, y",1\nz,2\n');
    const within = await looked('a,b\n"x\ny",1\nz,2\n');
    for (const [{ path, folder, found }, parallel] of [
      [plain, true],
      [within, false],
    ] as const) {
      const text = await asItIs(path, folder, found);
      if (text === undefined) throw new Error('the engine was to read the file itself');
      expect(text.paths).toEqual([path]);
      expect(readText(text, found.columns)).toMatch(`parallel=${parallel}`);
    }
  });

  it('whose fields hold line ends is given in rows where it is too large to be kept', async () => {
    const { path, folder, found } = await looked('a,b\n"x\ny",1\nz,2\n');
    expect(await asItIs(path, folder, { ...found, bytes: GIB })).toBeUndefined();
    const plain = await looked('a,b\nx,1\n');
    expect(await asItIs(plain.path, folder, { ...plain.found, bytes: GIB })).toBeDefined();
  });

  it('in rows comes in files, one after another, with every row in its place', async () => {
    const rows = Array.from(
      { length: 20_000 },
      (_, i) => `${i},"line ${i}\nand ${'x'.repeat(200)}"`,
    );
    const { path, folder, found } = await looked(`id,note\r\n${rows.join('\r\n')}\n`);
    const text = await inRows(path, folder, found, 1_500_000);
    expect(text.paths.length).toBeGreaterThan(2);
    const read = readText(text, found.columns);
    const ids = await desk.query(`SELECT id, split_part(note, chr(10), 1) FROM ${read}`);
    expect(ids).toEqual(rows.map((_, i) => [String(i), `line ${i}`]));
  });
});
