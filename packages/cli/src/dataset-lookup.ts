// SPDX-License-Identifier: Apache-2.0
// A dataset by what a person calls it: owner/name or its id, with @version one version of it.
import type { AdminClient, DatasetJson } from '@cloister/api';
import { cliError } from './errors.ts';

export interface Named {
  /** Its newest version that is not retired, or the one that was named. */
  readonly found: DatasetJson;
  /** The version, where one was named. */
  readonly version: number | undefined;
}

/** Among those that are not retired. @throws CodedError `id-unknown` */
export async function findDataset(admin: AdminClient, wanted: string): Promise<Named> {
  const [, name = '', number] = /^(.*?)(?:@(\d{1,9}))?$/.exec(wanted) ?? [];
  const version = number === undefined ? undefined : Number(number);
  const known = (await admin.datasets())
    .filter((d) => !d.retired && (d.dataset === name || `${d.owner}/${d.name}` === name))
    .sort((a, b) => b.version - a.version);
  const found = known.find((d) => version === undefined || d.version === version);
  if (found !== undefined) return { found, version };
  const which = version === undefined ? '' : ` with a version ${version} that is not retired`;
  throw cliError('id-unknown', `no dataset is called ${name}${which}: see cloister dataset list`);
}
