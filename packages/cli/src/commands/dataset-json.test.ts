// SPDX-License-Identifier: Apache-2.0
// The life of a dataset by commands with --json: each prints one value of a fixed shape on stdout
// and nothing else, what only looks changes nothing, and what is not told stays.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readGatewayConfig } from '@cloister/gateway/home';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bankAmongKeepers } from '../../../gateway/testing/federation.ts';
import { buildProgram } from '../program.ts';

const { federation, bank } = await bankAmongKeepers();
const home = federation.home('bank');
const file = (name: string) => join(federation.root, name);
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' }, zip: { rule: 'reveal' } },
};

beforeAll(async () => {
  const config = await readGatewayConfig(home);
  const port = Number(new URL(bank.url).port);
  await writeFile(join(home, 'gateway.json'), JSON.stringify({ ...config, port }));
  await writeFile(file('may.csv'), 'id,zip\n1,007\n2,94107\n');
  await writeFile(file('june.csv'), 'id,zip\n1,007\n2,94107\n3,\n');
  await writeFile(file('open.json'), JSON.stringify(POLICY));
  const columns = { id: { rule: 'reveal' } };
  await writeFile(file('narrow.json'), JSON.stringify({ ...POLICY, columns }));
});
afterAll(() => federation.close());

/** What a command prints with --json, as the one value that it is, and the error it ends with. */
async function asJson(...typed: string[]) {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => {
    text += String(piece);
    return true;
  });
  const program = buildProgram().exitOverride();
  const [group = '', name = '', ...rest] = typed;
  const words = ['--json', group, name, '--home', home, ...rest];
  const error = await program.parseAsync(words, { from: 'user' }).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  write.mockRestore();
  if (text !== '') expect(text.split('\n')).toHaveLength(2);
  return { value: text === '' ? undefined : JSON.parse(text), error };
}

const accepted = { seq: expect.any(Number), id: expect.any(String), status: 'accepted' };
const prices = ['--price-run', '0.5', '--price-row', '0.01'];

describe('with --json', () => {
  it('dataset inspect has types, samples, warnings with their meaning, and the check', async () => {
    const { value, error } = await asJson(
      ...['dataset', 'inspect', file('may.csv'), '--name', 'people', '--samples', '1'],
      ...['--policy', file('open.json')],
    );
    expect(error).toBeUndefined();
    const may = {
      file: file('may.csv'),
      format: 'csv',
      rows: 2,
      columns: [
        { name: 'id', type: 'BIGINT', nulls: 0, samples: ['1'] },
        { name: 'zip', type: 'VARCHAR', nulls: 0, samples: ['007'] },
      ],
      warnings: [{ kind: 'leading-zeros', column: 'zip', means: expect.any(String) }],
    };
    expect(value).toMatchObject({
      files: [may],
      check: { columns: [{ rule: 'reveal' }, { rule: 'reveal' }], findings: [], notes: [] },
    });
  });

  it('dataset inspect takes several files as one table', async () => {
    const files = [file('may.csv'), file('june.csv')];
    const { value, error } = await asJson('dataset', 'inspect', ...files);
    expect(error).toBeUndefined();
    expect(value).toMatchObject({
      files: [
        { file: files[0], rows: 2 },
        { file: files[1], rows: 3 },
      ],
      check: { columns: [{ name: 'id' }, { name: 'zip', type: 'VARCHAR' }], findings: [] },
    });
  });

  it('dataset add has the dataset and its place', async () => {
    const { value } = await asJson(
      ...['dataset', 'add', file('may.csv'), '--name', 'people', ...prices],
      ...['--policy', file('open.json')],
    );
    expect(value).toMatchObject({ dataset: { version: 1, name: 'people' }, recorded: accepted });
  });

  it('dataset inspect and add say that a name is taken', async () => {
    const words = [file('may.csv'), '--name', 'people', '--policy', file('open.json')];
    const looked = await asJson('dataset', 'inspect', ...words);
    expect(looked.value).toMatchObject({ check: { findings: [{ code: 'dataset-name-taken' }] } });
    expect(looked.error).toMatchObject({ code: 'dataset-name-taken', kind: 'conflict' });
    const added = await asJson('dataset', 'add', ...words);
    expect(added).toMatchObject({ value: undefined, error: { code: 'dataset-name-taken' } });
  });

  it('dataset replace has the next version; prices that are not told stay', async () => {
    const next = await asJson('dataset', 'replace', 'bank/people', file('june.csv'));
    const was = { currency: 'EUR', run: 500_000, row: 10_000, gigabyte: 0, second: 0 };
    expect(next.value).toMatchObject({
      dataset: { version: 2, rows: 3, price: was },
      recorded: accepted,
    });
    const words = ['dataset', 'replace', 'bank/people', file('may.csv'), '--price-row', '0'];
    const dearer = await asJson(...words, '--price-second', '2');
    const price = { ...was, row: 0, second: 2_000_000 };
    expect(dearer.value).toMatchObject({ dataset: { version: 3, price } });
    const slip = await asJson('dataset', 'replace', 'bank/poeple', file('may.csv'));
    expect(slip.error).toMatchObject({
      code: 'id-unknown',
      message: expect.stringContaining('(did you mean bank/people?)'),
    });
  });

  it('policy show has the document, and policy set --dry-run what would change', async () => {
    const shown = await asJson('policy', 'show', 'bank/people');
    expect(shown.value).toMatchObject({ version: 3, name: 'people', policy: { k: 'none' } });
    const narrow = file('narrow.json');
    const dry = await asJson('policy', 'set', 'bank/people', narrow, '--dry-run');
    const changes = ['zip: revealed before, hidden now'];
    const version = (number: number) => ({ version: number, changes, recorded: null });
    expect(dry.value).toEqual({ versions: [1, 2, 3].map(version), tasks: [] });
    expect((await asJson('policy', 'show', 'bank/people')).value).toEqual(shown.value);
    const set = await asJson('policy', 'set', 'bank/people@3', narrow);
    expect(set.value).toMatchObject({ versions: [{ version: 3, recorded: accepted }] });
    const { policy } = (await asJson('policy', 'show', 'bank/people')).value;
    expect(Object.keys(policy.columns)).toEqual(['id']);
  });

  it('dataset withdraw has its place, and remove what goes or would go', async () => {
    const ended = await asJson('dataset', 'withdraw', 'bank/people@1');
    expect(ended.value).toEqual(accepted);
    const gone = { name: 'people', version: 1, owner: 'bank', blobs: expect.any(Number) };
    const dry = await asJson('dataset', 'remove', '--dry-run', '--keys');
    expect(dry.value).toMatchObject({ datasets: [{ ...gone, keys: true }], plain: null });
    const before = (await bank.admin.removeUnneeded({ dryRun: true })).datasets;
    expect(before).toHaveLength(1);
    const done = await asJson('dataset', 'remove', '--keys');
    expect(done.value).toMatchObject({ datasets: [{ ...gone, keys: true }], plain: 0 });
    expect((await asJson('dataset', 'remove', '--dry-run')).value.datasets).toEqual([]);
    expect(await readFile(file('may.csv'), 'utf8')).toContain('94107');
  });
});
