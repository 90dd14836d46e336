// SPDX-License-Identifier: Apache-2.0
// A machine with a TPM 2.0: by default a software TPM in the operator's folder, or one that is
// there already (`--device`, with the certificates of its maker in `--ek-ca`). Its attestation key
// is enrolled by credential activation; what that proved is told as a checklist.
//
//   tpm/         the software TPM and the authority that certified it          (mode 0700)
//   tpm.where    JSON: { "software": true } or { "device": address }           (mode 0600)
//
// Also a TPM on a board is called simulated by every command of this version: charters drafted here
// are over simulated hardware only, and a TPM's word about a host is no protection from that host.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bootSoftwareTpm,
  createSoftwareTpm,
  enrolTpm,
  measurementOnTpm,
  openTpm,
  QUOTED_REGISTERS,
  TpmClient,
  tpmPlatform,
} from '@cloister/attester';
import { utf8 } from '@cloister/core';
import { nodeCrypto, writeDurably } from '@cloister/core/node';
import { ekAuthority } from '@cloister/evidence/tpm';
import { z } from 'zod';
import { cliError } from '../errors.ts';
import { readBytes, readJson } from '../named-files.ts';
import type { Machine, MachineOptions, Registers } from './machine.ts';

const whereFile = z.union([
  z.strictObject({ software: z.literal(true) }),
  z.strictObject({ device: z.string() }),
]);
type Where = z.infer<typeof whereFile>;

const softwareFolder = (folder: string) => join(folder, 'tpm');
const wherePath = (folder: string) => join(folder, 'tpm.where');

export const tpmMachine: Machine = {
  tee: 'tpm2',
  create: async (folder, operator, options) => {
    const { where, authority } = await found(folder, options);
    const family = `tpm2:${operator}` as const;
    const { roots, issuers } = ekAuthority(nodeCrypto, authority, { family, trust: 'simulated' });
    const tpm = await opened(folder, where);
    try {
      const enrolled = await enrolTpm(tpm, {
        ...{ crypto: nodeCrypto, operator, roots, issuers },
        trust: 'simulated',
        at: Date.now(),
      });
      await writeDurably(wherePath(folder), utf8(`${JSON.stringify(where)}\n`), 0o600);
      const { root, hardware: id, registers, proved } = enrolled;
      return { root, id, registers, proved };
    } finally {
      await tpm.close();
    }
  },
  platform: async (folder, { id, registers }) => {
    checkRegisters(registers);
    const where = await readWhere(folder);
    return tpmPlatform({ open: () => opened(folder, where), hardware: id, registers });
  },
  measurement: (program, registers) => {
    checkRegisters(registers);
    return measurementOnTpm(nodeCrypto, registers, program);
  },
  collateral: async () => undefined,
};

/** A card that left registers out would pin less of the boot than people think. */
function checkRegisters(registers: Registers): void {
  const got = [...registers.keys()].sort((a, b) => a - b).join();
  if (got === QUOTED_REGISTERS.join()) return;
  const message = `the card has registers ${got || 'none'}, wanted ${QUOTED_REGISTERS.join()}`;
  throw cliError('hardware-missing', message);
}

/** The TPM that people named, or a software TPM made anew, and the files of its authority. */
async function found(
  folder: string,
  options: MachineOptions,
): Promise<{ where: Where; authority: Uint8Array[] }> {
  const { device, authority = [] } = options;
  if (device === undefined) {
    if (authority.length > 0) {
      const message = '--ek-ca is for a TPM that is there: name it with --device';
      throw cliError('option-malformed', message);
    }
    await rm(softwareFolder(folder), { recursive: true, force: true });
    return {
      where: { software: true },
      authority: await createSoftwareTpm(softwareFolder(folder)),
    };
  }
  if (authority.length === 0) {
    const message = `say by --ek-ca whose certificates vouch for the TPM at ${device}`;
    throw cliError('option-malformed', message);
  }
  return { where: { device }, authority: await Promise.all(authority.map(readBytes)) };
}

async function opened(folder: string, where: Where): Promise<TpmClient> {
  if ('software' in where) return bootSoftwareTpm(softwareFolder(folder));
  return new TpmClient(await openTpm(where.device));
}

async function readWhere(folder: string): Promise<Where> {
  const parsed = whereFile.safeParse(await readJson(wherePath(folder)));
  if (parsed.success) return parsed.data;
  const message = `${wherePath(folder)} does not say where the TPM is (cloister hardware create)`;
  throw cliError('hardware-missing', message);
}
