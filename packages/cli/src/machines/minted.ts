// SPDX-License-Identifier: Apache-2.0
// Makes whose evidence is minted. A make's development root stands for the maker, the factory and
// one machine at once: whoever holds it can mint evidence for anything, which is what SIMULATED
// means.
//
//   <make>.root   the development root                                         (mode 0600)
import { join } from 'node:path';
import { MAKES, type Make, measurementOf, simulatedPlatform } from '@cloister/attester';
import { systemRandom } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import { encodeParts, MEASUREMENT_LENGTH, needsCollateral } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  decodeDevelopmentRoot,
  encodeDevelopmentRoot,
  hardwareIdOf,
  mintParts,
} from '@cloister/evidence/mint';
import { cliError } from '../errors.ts';
import { readBytes } from '../named-files.ts';
import type { Machine } from './machine.ts';

export function mintedMachine(make: Make): Machine {
  const tee = MAKES[make];
  const rootPath = (folder: string) => join(folder, `${make}.root`);
  const readRoot = async (folder: string) =>
    decodeDevelopmentRoot(await readBytes(rootPath(folder)));
  return {
    tee,
    create: async (folder, operator, options) => {
      if (options.device !== undefined || options.authority !== undefined) {
        const message = `--device and --ek-ca are for --make tpm: ${make} is minted here`;
        throw cliError('option-malformed', message);
      }
      const seed = systemRandom.bytes(32);
      const root = createDevelopmentRoot(tee, { seed, enrolledBy: operator });
      await writeDurably(rootPath(folder), encodeDevelopmentRoot(root), 0o600);
      return { root: root.root, id: hardwareIdOf(root), proved: [] };
    },
    platform: async (folder, { id }) =>
      simulatedPlatform({ make, developmentRoot: await readRoot(folder), hardware: id }),
    measurement: (program) => measurementOf(program, MEASUREMENT_LENGTH[tee]),
    collateral: async (folder, at) => {
      if (!needsCollateral(tee)) return undefined;
      const root = await readRoot(folder);
      // Days since 1970: it grows, and fits what Intel gives such numbers.
      const number = Math.floor(at / 86_400_000);
      // Issued an hour ago: the ledger's clock, which judges it, is a few ticks behind ours.
      return encodeParts(mintParts(root, { at: at - 3_600_000, number }));
    },
  };
}
