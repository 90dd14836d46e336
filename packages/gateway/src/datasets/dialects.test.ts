// SPDX-License-Identifier: Apache-2.0
// How a file is written, from the request that sends it to the dataset; and what --strict refuses.
import { join } from 'node:path';
import type { Dialect } from '@cloister/api';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAmongKeepers, codeOf, namesIn } from '../../testing/federation.ts';

const FREE = { currency: 'EUR' };
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' } },
};

const { federation, bank } = await bankAmongKeepers();
afterAll(() => federation.close());

describe('a dataset', () => {
  it('is made by the dialect that its sender said, which the answer shows whole', async () => {
    const text = 'id;betrag;tag\n1;1.234,50;31.12.2023\n2;NA;01.02.2024\n';
    const said = { thousands: '.', dateFormat: ['%d.%m.%Y'] };
    const sent = async (dialect: Dialect) =>
      bank.admin.upload('my file.csv', new Blob([text]), { dialect });
    const seen = await sent(said);
    expect(seen.dialect).toEqual({
      ...said,
      delimiter: ';',
      quote: '"',
      header: true,
      null: ['NA'],
      encoding: 'utf-8',
      decimal: ',',
      zone: null,
    });
    const about = { policy: POLICY, price: FREE };
    const request = { uploads: [seen.upload], name: 'dialect', ...about, strict: true };
    const { dataset } = await bank.admin.addDataset(request);
    const types = ['BIGINT', 'DOUBLE', 'DATE'];
    expect(dataset.columns.map(({ type }) => type)).toEqual(types);
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
    expect(await codeOf(sent({ delimiter: ';;' }))).toBe('dialect-malformed');
    expect(await codeOf(sent({ dateFormat: ['%d.%m.%y'] }))).toBe('dialect-malformed');
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
  });

  it('with --strict is refused where text is kept, unless a type is chosen', async () => {
    const text = 'id,code\n1,1E10\n2,10E9\n';
    const { upload, warnings } = await bank.admin.upload('t.csv', new Blob([text]));
    expect(warnings).toMatchObject([
      { says: expect.stringMatching(/column code .* in 2 rows: kept as text/), inexact: true },
    ]);
    const about = { policy: POLICY, price: FREE, name: 'strict' };
    const strict = bank.admin.addDataset({ uploads: [upload], ...about, strict: true });
    await expect(strict).rejects.toMatchObject({
      code: 'not-exact',
      message: expect.stringMatching(/column code .*--strict/),
    });
    const again = await bank.admin.upload('t.csv', new Blob([text]));
    const types = { code: 'VARCHAR' };
    const chosen = { uploads: [again.upload], ...about, types, strict: true };
    expect(await codeOf(bank.admin.addDataset(chosen))).toBe('accepted');
  });

  it('of several files has each read by its own dialect, and the types of all', async () => {
    const parts: readonly [string, Dialect][] = [
      ['id;paid\n1;2,5\nNA;3,25\n', {}],
      ['id,paid\n2,"1,000.25"\n3,17\n', { thousands: ',' }],
      ['id\tpaid\n4\t\\N\n', {}],
    ];
    const sent = parts.map(([text, dialect]) =>
      bank.admin.upload('t.csv', new Blob([text]), { dialect }),
    );
    const uploads = (await Promise.all(sent)).map(({ upload }) => upload);
    const about = { policy: POLICY, price: FREE, name: 'parts', strict: true };
    const { dataset } = await bank.admin.addDataset({ uploads, ...about });
    expect(dataset.columns.map(({ type }) => type)).toEqual(['BIGINT', 'DOUBLE']);
    expect(dataset.rows).toBe(5);
  });
});
