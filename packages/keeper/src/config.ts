// SPDX-License-Identifier: Apache-2.0
// What a keeper is told when it starts: what every attested node is, and nothing more.
import {
  type NodeConfig,
  type NodeConfigInput,
  nodeConfig,
  parseNodeConfig,
} from '@cloister/attested';

export type KeeperConfig = NodeConfig;
export type KeeperConfigInput = NodeConfigInput;

/** @throws CodedError `config-malformed` */
export function parseKeeperConfig(value: unknown): KeeperConfig {
  return parseNodeConfig('keeper', nodeConfig, value);
}
