// SPDX-License-Identifier: Apache-2.0
// evidence: verify, inspect and equip attestation evidence without a gateway or a network. The
// vendors' roots ship with the program; collateral comes from files.
import { writeFile } from 'node:fs/promises';
import {
  collateralFromFiles,
  decodeEvidenceFile,
  detectKind,
  type EvidenceKind,
  encodeCollateral,
  type Inspection,
  inspectEvidence,
  SUPPORTED_KINDS,
} from '@cloister/evidence';
import { type Command, Option } from 'commander';
import { cliError, exitStatusOf } from '../errors.ts';
import { type Judgement, judgeEvidence, judgementJson, judgementLines } from '../evidence/judge.ts';
import { readBytes, readEvidence } from '../named-files.ts';
import { describeError, print } from '../output.ts';
import { collect, withExample } from './options.ts';

const FORMS = 'raw bytes, hexadecimal or base64; - is standard input';

const VERIFY_HELP = `
Without --policy: any TEE under the given roots, without debug or migration, whose TCB is not
revoked.
Exit status: 0 accepted, 2 refused (the code says why), 1 unusable: no evidence, or options that
do not fit.

Examples:
  cloister evidence verify quote.bin --collateral platform.collateral
  cloister evidence verify report.hex --tee sev-snp --collateral milan.collateral \\
      --report-data 9f86d081884c7d65...
  cloister evidence verify document.b64 --at 2026-01-15T12:00:00Z --policy policy.json --json`;

export function evidenceCommands(program: Command): void {
  const evidence = program.command('evidence').description('attestation evidence, by itself');
  evidence
    .command('verify')
    .argument('<file>', FORMS)
    .description('verify evidence offline and say what was proved')
    .addOption(teeOption('what the evidence is; found from its bytes when absent'))
    .option('--collateral <file>', 'a bundle (evidence collateral makes one); repeat', collect)
    .option('--roots <file>', "roots instead of the vendors'; repeat", collect)
    .option('--at <time>', 'the time to judge at, such as 2026-01-15T12:00:00Z; now when absent')
    .option('--policy <file>', 'what to accept, as JSON')
    .option('--report-data <hex>', 'what the report data must be; zeros may be left out at its end')
    .addHelpText('after', VERIFY_HELP)
    .action(async (file: string, options, command: Command) => {
      const judgement = await judged(command, () => judgeEvidence(file, options));
      if (judgement === undefined) return;
      print(command, judgementJson(judgement), judgementLines(judgement));
      if (!judgement.accepted) process.exitCode = 2;
    });
  const inspect = evidence
    .command('inspect')
    .argument('<file>', FORMS)
    .description('show what evidence says, without judging it')
    .addOption(teeOption('what the evidence is; found from its bytes when absent'))
    .action(async (file: string, options: { tee?: EvidenceKind }, command: Command) => {
      const { bytes, form } = decodeEvidenceFile(await readEvidence(file));
      const kind = options.tee ?? detectKind(bytes);
      if (kind === undefined) throw kindUnknown(file);
      const fields = inspectEvidence({ kind, bytes });
      const json = { verified: false, kind, form, bytes: bytes.length, fields };
      print(command, json, inspectionLines(kind, fields));
    });
  withExample(inspect, 'cloister evidence inspect quote.bin');
  const collateral = evidence
    .command('collateral')
    .argument('<out>', 'where to write the bundle')
    .argument('<file...>', 'PCS answers, CRLs, certificates, chains or bundles, in any order')
    .description("make one collateral bundle from the vendor's files")
    .addOption(teeOption('the kind it is for; found from the files when absent'))
    .option('--force', 'replace the file if it exists')
    .action(async (out: string, files: string[], options, command: Command) => {
      const bundle = await bundleOf(files, options.tee);
      const bytes = encodeCollateral(bundle);
      await writeNew(out, bytes, options.force === true);
      const { kind, subject, number, items } = bundle;
      const names = Object.keys(items).sort();
      print(command, { out, kind, subject, number, items: names, bytes: bytes.length }, [
        `wrote ${out}: ${kind} for '${subject}', number ${number}`,
        `holds ${names.join(', ')}`,
        'signatures and dates are checked when it is used',
      ]);
    });
  withExample(
    collateral,
    [
      'curl -sSi "$PCS/sgx/certification/v4/tcb?fmspc=00806f050000" > tcb.http',
      '  curl -sSi "$PCS/sgx/certification/v4/qe/identity" > qe.http',
      '  curl -sSi "$PCS/sgx/certification/v4/pckcrl?ca=platform&encoding=der" > crl.http',
      '  cloister evidence collateral sgx.collateral tcb.http qe.http crl.http IntelSGXRootCA.der',
    ].join('\n'),
  );
}

function teeOption(description: string): Option {
  return new Option('--tee <kind>', description).choices(SUPPORTED_KINDS);
}

/** Runs a judgement; what cannot be judged is printed and answered with status 1. */
async function judged(
  command: Command,
  run: () => Promise<Judgement>,
): Promise<Judgement | undefined> {
  try {
    return await run();
  } catch (error) {
    if (exitStatusOf(error) === 70) throw error;
    const wantsJson = command.optsWithGlobals()['json'] === true;
    process.stderr.write(`${describeError(error, wantsJson)}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

function kindUnknown(file: string): Error {
  const message = `${file}: its bytes do not show what evidence it is; say so with --tee`;
  return cliError('option-malformed', message);
}

function inspectionLines(kind: EvidenceKind, fields: Inspection): string[] {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return [
    `${kind}, parsed and NOT VERIFIED: anyone can write what follows`,
    ...Object.entries(fields).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
  ];
}

async function bundleOf(files: readonly string[], kind: EvidenceKind | undefined) {
  const read = await Promise.all(
    files.map(async (name) => ({ name, bytes: await readBytes(name) })),
  );
  return collateralFromFiles(read, kind);
}

async function writeNew(path: string, bytes: Uint8Array, force: boolean): Promise<void> {
  try {
    await writeFile(path, bytes, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unwritable';
    if (reason === 'EEXIST') {
      throw cliError('file-exists', `${path} exists; --force replaces it`);
    }
    throw cliError('file-unwritable', `cannot write ${path} (${reason})`, { cause });
  }
}
