// SPDX-License-Identifier: Apache-2.0
// A dataset by what a person calls it: owner/name or its id, with @version one version of it.
import type { AdminClient, DatasetJson } from '@cloister/api';
import { meant } from '@cloister/core';
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
  const all = (await admin.datasets()).filter(({ retired }) => !retired);
  const known = all
    .filter((d) => d.dataset === name || nameOf(d) === name)
    .sort((a, b) => b.version - a.version);
  const found = known.find((d) => version === undefined || d.version === version);
  if (found !== undefined) return { found, version };
  const which = version === undefined ? '' : ` with a version ${version} that is not retired`;
  const slip = known.length > 0 ? '' : meant(name, all.map(nameOf));
  const message = `no dataset is called ${name}${which}${slip}: see cloister dataset list`;
  throw cliError('id-unknown', message);
}

function nameOf({ owner, name }: DatasetJson): string {
  return `${owner}/${name}`;
}
