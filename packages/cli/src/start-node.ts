// SPDX-License-Identifier: Apache-2.0
// Keepers and workers on the machines of an operator's folder: this process is the launcher (and,
// on minted makes, stands for the hardware), the node is a child that never holds its keys.

import { type Platform, type RunningNode, startNode } from '@cloister/attester';
import { toBase64, toHex } from '@cloister/core';
import { readOperator, readOperatorSigner } from '@cloister/gateway/home';
import type { KeeperConfigInput } from '@cloister/keeper';
import type { WorkerConfigInput } from '@cloister/worker';
import { type CharterFile, environmentId } from './charter-file.ts';
import { cardPath, type MachineMake, platformOf, readCard } from './hardware.ts';

export interface NodeOptions {
  /** The operator's folder. */
  readonly home: string;
  readonly make: MachineMake;
  readonly charter: CharterFile;
  readonly gateways: readonly string[];
  readonly host: string;
  readonly port: number;
  /** Root of another build's repository or installation, whose program is started. */
  readonly build?: string;
  /** A file descriptor for the node's log, or this process's stderr. */
  readonly log?: number | 'inherit' | 'ignore';
  /** Another entry file than the role's own. */
  readonly program?: string;
  /** The machine, as the demo makes one that is broken; by default the one that was enrolled. */
  readonly machineOf?: (enrolled: Platform) => Platform;
}

export async function startKeeper(options: NodeOptions): Promise<RunningNode> {
  const common = await nodeFacts(options, 'keeper');
  const config: KeeperConfigInput = common.config;
  return startNode({ ...common.spec, role: 'keeper', config });
}

export async function startWorker(
  options: NodeOptions & {
    keepers: readonly string[];
    scratch?: string;
    /** Milliseconds to wait for checkpoints, receipts and peers. */
    patienceMs?: number;
    limits?: WorkerConfigInput['limits'];
  },
): Promise<RunningNode> {
  const common = await nodeFacts(options, 'worker');
  const config: WorkerConfigInput = {
    ...common.config,
    keepers: [...options.keepers],
    ...(options.scratch === undefined ? {} : { scratch: options.scratch }),
    ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  };
  return startNode({ ...common.spec, role: 'worker', config });
}

async function nodeFacts(options: NodeOptions, role: 'keeper' | 'worker') {
  const { home, make, charter, program, machineOf = (enrolled) => enrolled } = options;
  const [card, operator, signer] = await Promise.all([
    readCard(cardPath(home, make)),
    readOperator(home),
    readOperatorSigner(home),
  ]);
  // The charter in force may have it though the first one had not: the node looks, and says so.
  const environment = environmentId(card, role);
  const log = options.log ?? 'inherit';
  return {
    config: {
      name: `${operator.id}-${role}`.slice(0, 32),
      genesis: toHex(charter.genesis),
      charter: toBase64(charter.payload),
      operator: operator.id,
      environment,
      gateways: [...options.gateways],
      host: options.host,
      port: options.port,
    },
    spec: {
      platform: machineOf(await platformOf(home, card)),
      ...(program === undefined ? {} : { program }),
      operator: { id: operator.id, signer },
      genesis: charter.genesis,
      environment,
      ...(options.build === undefined ? {} : { root: options.build }),
      stdio: { stdout: log, stderr: log },
    },
  };
}
