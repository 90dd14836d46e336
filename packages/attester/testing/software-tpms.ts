// SPDX-License-Identifier: Apache-2.0
// For tests: two software TPMs (swtpm), each with an authority of its own, booted and enrolled at
// will. Whoever makes them removes them; `settle` ends whatever a test left running.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCrypto } from '@cloister/core/node';
import { type EkAuthority, ekAuthority } from '@cloister/evidence/tpm';
import type { TpmClient } from '../src/tpm/client.ts';
import {
  type EnrollableTpm,
  type EnrolledTpm,
  type EnrolOptions,
  enrolTpm,
} from '../src/tpm/enrol.ts';
import { bootSoftwareTpm, createSoftwareTpm } from '../src/tpm/software.ts';

export class SoftwareTpms {
  readonly folder: string;
  /** The folders of the two. */
  readonly mine: string;
  readonly another: string;
  readonly #open: { close?: () => Promise<void> }[] = [];
  authority: EkAuthority = { roots: [], issuers: [] };
  theirAuthority: EkAuthority = { roots: [], issuers: [] };
  /** After the authorities are made: their certificates begin in that second. */
  at = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'cloister-tpm-'));
    this.mine = join(this.folder, 'mine');
    this.another = join(this.folder, 'another');
  }

  async make(): Promise<void> {
    const options = { family: 'tpm2:tester', trust: 'simulated' } as const;
    this.authority = ekAuthority(nodeCrypto, await createSoftwareTpm(this.mine), options);
    this.theirAuthority = ekAuthority(nodeCrypto, await createSoftwareTpm(this.another), options);
    this.at = Date.now();
  }

  /** Takes something that must be closed after the test. */
  keep<T extends { close?(): Promise<void> }>(opened: T): T {
    this.#open.push(opened as { close?: () => Promise<void> });
    return opened;
  }

  async boot(from: string = this.mine): Promise<TpmClient> {
    return this.keep(await bootSoftwareTpm(from));
  }

  enrol(tpm: EnrollableTpm, change: Partial<EnrolOptions> = {}): Promise<EnrolledTpm> {
    const who = { crypto: nodeCrypto, operator: 'bank', trust: 'simulated' } as const;
    return enrolTpm(tpm, { ...who, ...this.authority, at: this.at, ...change });
  }

  /** Enrols mine on a boot of its own, as `cloister hardware create` does. */
  async enrolled(): Promise<EnrolledTpm> {
    const tpm = await this.boot();
    const result = await this.enrol(tpm);
    await tpm.close();
    return result;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((it) => it.close?.()));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
