// SPDX-License-Identifier: Apache-2.0
// parquet: encrypt, decrypt and inspect Parquet files in the standard format (Parquet Modular
// Encryption), by themselves: no gateway, no charter. Other readers open what these commands write.
import type { Inspection, KeyNote } from '@cloister/parquet-crypto';
import type { Command } from 'commander';
import { print, progress, table } from '../output.ts';
import { collect, withExample } from './options.ts';

const KEYS_HELP = `
The key file is JSON and closed to others (mode 0600); a name may be a group's:
  { "footer":  { "id": "0", "key": "<64 hexadecimal digits>" },
    "columns": { "customer": { "id": "1", "key": "..." },
                 "amount":   { "id": "2", "key": "..." } } }
With "direct": true these are the data keys themselves and ids may be missing, as readers without a
key service have them; with --kms there are ids and no keys.

--kms names a program that keeps the master keys. It reads a line of JSON on stdin for each request,
  {"op":"wrap","masterKeyId":"1","key":"<base64>"}  or
  {"op":"unwrap","masterKeyId":"1","wrapped":"<text>"},
and answers a line each: {"wrapped":"<text>"}, {"key":"<base64>"}, or {"error":"<text>"}.`;
const KMS = 'program that wraps and unwraps keys';
const AAD = 'hexadecimal; ties the file to its place in a dataset';
const MATERIAL = "_KEY_MATERIAL_FOR_*.json, where a file's key material is kept outside";

export function parquetCommands(program: Command): void {
  const parquet = program.command('parquet').description('encrypted Parquet files, by themselves');
  encryptCommand(parquet);
  decryptCommand(parquet);
  const inspect = parquet
    .command('inspect')
    .argument('<file>', 'a Parquet file, plain or encrypted')
    .description('schema, sizes, and which column is under which key')
    .option('--keys <file>', 'key file; columns whose keys it lacks are listed too')
    .option('--kms <program>', KMS)
    .option('--key-material <file>', MATERIAL)
    .option('--aad-prefix <hex>', AAD)
    .action(async (file: string, options, command: Command) => {
      const { inspectFile } = await import('../parquet/jobs.ts');
      const seen = await inspectFile(file, options);
      print(command, seen, inspectionLines(seen));
    });
  withExample(inspect, 'cloister parquet inspect claims.parquet.enc --keys claims.keys');
  const keygen = parquet
    .command('keygen')
    .argument('<file>', 'a plain Parquet file')
    .argument('<keys>', 'where to write the key file, closed to others')
    .description('make a key file with a fresh key for each column')
    .option('--direct', 'data keys themselves, for readers without a key service')
    .action(async (file: string, out: string, options, command: Command) => {
      const { inspectFile } = await import('../parquet/jobs.ts');
      const { freshKeyFile } = await import('../parquet/key-file.ts');
      const { writeWhole } = await import('../parquet/whole-file.ts');
      const { columns } = await inspectFile(file, {});
      const names = [...new Set(columns.map((column) => column.path))];
      const text = freshKeyFile(names, options.direct === true);
      await writeWhole(out, { force: false, mode: 0o600 }, (f) => f.writeFile(text));
      print(command, { keys: out, columns: names }, [
        `wrote ${out}: keys of the footer and ${names.length} columns`,
        'whoever loses it loses the files; whoever has it can read them',
      ]);
    });
  withExample(keygen, 'cloister parquet keygen claims.parquet claims.keys');
}

function encryptCommand(parquet: Command): void {
  const encrypt = parquet
    .command('encrypt')
    .argument('<file>', 'a plain Parquet file')
    .argument('<out>', 'where to write the encrypted one')
    .description('encrypt every column under its own key, then prove that nothing is in clear')
    .requiredOption('--keys <file>', 'key file')
    .option('--kms <program>', KMS)
    .option('--aad-prefix <hex>', AAD)
    .option('--no-store-aad-prefix', 'readers must supply the AAD prefix')
    .option('--plaintext-footer', 'show schema, sizes and key ids to everyone, signed')
    .option('--force', 'replace <out> if it exists')
    .action(async (file: string, out: string, options, command: Command) => {
      const { encryptFile } = await import('../parquet/jobs.ts');
      const onLine = (line: string) => progress(command, line);
      const report = await encryptFile(file, out, { ...options, onLine });
      const { rows, rowGroups, pages, bytesRead, bytesWritten } = report;
      const columns = report.columns.map((column) => column.path);
      print(command, { out, rows, rowGroups, pages, columns, bytesRead, bytesWritten }, [
        `wrote ${out}: ${rows} rows, ${columns.length} columns encrypted, ${bytesWritten} bytes`,
        'proved: every tag holds and nothing is in clear',
      ]);
    });
  encrypt.addHelpText('after', KEYS_HELP);
  withExample(
    encrypt,
    'cloister parquet encrypt claims.parquet claims.parquet.enc --keys claims.keys',
  );
}

function decryptCommand(parquet: Command): void {
  const decrypt = parquet
    .command('decrypt')
    .argument('<file>', 'an encrypted Parquet file')
    .argument('<out>', 'where to write the plain one, closed to others')
    .description('decrypt all columns, or those named, reading only their bytes')
    .option('--keys <file>', 'key file; required without --kms')
    .option('--kms <program>', KMS)
    .option('--column <name>', 'only this column; repeat', collect)
    .option('--aad-prefix <hex>', `${AAD}; it must be the file's`)
    .option('--key-material <file>', MATERIAL)
    .option('--allow-clear-columns', 'take columns that nothing protects')
    .option('--allow-clear-levels', 'take V2 pages as parquet-java writes them, nulls in clear')
    .option(
      '--allow-unbound-modules',
      'take files whose pages are tied to no place, as DuckDB writes',
    )
    .option('--force', 'replace <out> if it exists')
    .action(async (file: string, out: string, options, command: Command) => {
      const { decryptFile } = await import('../parquet/jobs.ts');
      const onLine = (line: string) => progress(command, line);
      const report = await decryptFile(file, out, { ...options, onLine });
      const { rows, rowGroups, algorithm, authenticated, bytesRead, bytesWritten } = report;
      const columns = report.columns.map((column) => column.path);
      const json = { out, rows, rowGroups, columns, algorithm, authenticated };
      print(command, { ...json, bytesRead, bytesWritten }, [
        `wrote ${out}: ${rows} rows, ${columns.length} columns, ${bytesWritten} bytes`,
        ...(authenticated ? [] : ['NOT AUTHENTICATED: someone may have changed values in it']),
      ]);
    });
  decrypt.addHelpText('after', KEYS_HELP);
  withExample(
    decrypt,
    'cloister parquet decrypt claims.parquet.enc amount.parquet --keys claims.keys --column amount',
  );
}

const MODES: Readonly<Record<Inspection['mode'], string>> = {
  clear: 'NOT ENCRYPTED',
  'plaintext-footer': 'footer in clear',
  'encrypted-footer': 'footer encrypted',
};

function inspectionLines(seen: Inspection): string[] {
  const { mode, algorithm, rows, rowGroups, bytes, createdBy, footerKey } = seen;
  const prefix =
    seen.aadPrefixNeeded === true ? 'to be supplied' : (seen.aadPrefix ?? '') || 'none';
  return [
    `${MODES[mode]}, ${rows} rows in ${rowGroups} row groups, ${bytes} bytes`,
    ...(createdBy === undefined ? [] : [`written by ${createdBy}`]),
    ...(algorithm === undefined
      ? []
      : [
          `${algorithm}, footer under ${keyName(footerKey)}, AAD prefix ${prefix}`,
          seen.authenticated ? 'the footer is authentic' : 'NOT VERIFIED: the footer may be forged',
        ]),
    ...table([
      ['column', 'type', 'key', 'bytes', 'values'],
      ...seen.columns.map((column) => [
        column.path,
        column.logicalType ?? column.physicalType,
        keyName(column.key),
        String(column.sizes?.compressedBytes ?? 'hidden'),
        String(column.sizes?.values ?? 'hidden'),
      ]),
    ]),
  ];
}

function keyName(key: KeyNote | undefined): string {
  if (key === undefined || key.kind === 'none') return 'no key';
  if (key.kind === 'footer-key') return "the footer's key";
  if (key.kind === 'master-key') return `key ${JSON.stringify(key.masterKeyId)}`;
  if (key.kind === 'external') return `external material ${JSON.stringify(key.reference)}`;
  return `key metadata ${JSON.stringify(key.keyMetadata)}`;
}
