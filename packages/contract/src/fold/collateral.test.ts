// SPDX-License-Identifier: Apache-2.0
// 560 days of what a maker issued (../../testing/intel-issues.ts), minted at those dates, carried
// day by day by an honest member, while another carries all that it may: old parts, parts of later
// dates, halves of early releases, a stranger's. Every day the platform is appraised.
import { type BlobStore, CodedError, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type CollateralPart, encodeRoot, verifyPart } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  hardwareIdOf,
  mintEvidence,
  mintParts,
} from '@cloister/evidence/mint';
import { charterSpecimen, namedBytes, namedMaker, World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { INTEL_ISSUES, type Issue } from '../../testing/intel-issues.ts';
import type { Environment } from '../charter/body.ts';
import { JoinAppraiser } from '../reading/appraise-join.ts';
import { reportData } from '../reading/report-data.ts';
import { chooseParts, EVALUATIONS_KEPT, hasPart, SUBJECTS_A_MEMBER } from './collateral.ts';

const DAY = 86_400_000;
const FROM = Date.UTC(2025, 1, 10);
const DAYS = 560;
/** A maker issues again a day before the last one ends. */
const EVERY_DAYS = 29;
const maker = namedMaker('specimen');
const LIMIT_MS = 120_000;

/** Each row, and what was issued between it and the next one of its part and number. */
function everyIssue(): { at: number; issue: Issue }[] {
  const lines = new Map<string, { at: number; issue: Issue }[]>();
  for (const issue of INTEL_ISSUES) {
    const name = `${issue.part} ${issue.number}`;
    lines.set(name, [...(lines.get(name) ?? []), { at: Date.parse(issue.issued), issue }]);
  }
  const all = [...lines.values()].flatMap((line) =>
    line.flatMap(({ at, issue }, i) => {
      const next = line[i + 1]?.at ?? at;
      const count = issue.part === 'root-crl' ? 1 : Math.ceil((next - at) / (EVERY_DAYS * DAY));
      return Array.from({ length: Math.max(count, 1) }, (_, n) => {
        return { at: at + n * EVERY_DAYS * DAY, issue };
      });
    }),
  );
  return [...all, ...standIns()].sort((a, b) => a.at - b.at);
}

/** Where no capture tells: numbers go on being issued while none above them is. */
function standIns(): { at: number; issue: Issue }[] {
  const from = Date.parse('2026-03-19T00:00:00Z');
  return ['tcb-info', 'qe-identity', 'pck-crl'].flatMap((part) =>
    Array.from({ length: 6 }, (_, n) => {
      const number = part === 'pck-crl' ? 1 : 18;
      const issue = { part, number, issued: '', days: 30 } as Issue;
      return { at: from + n * EVERY_DAYS * DAY, issue };
    }),
  );
}

/** An early release says of a platform that is not patched yet that it is out of date. */
function mintIssue(at: number, { part, number, days }: Issue): CollateralPart {
  const status = number > 18 ? 'OutOfDate' : 'UpToDate';
  const about = { at, number, lifetime: days * DAY, status };
  return mintParts(maker, about).find((one) => one.part === part) as CollateralPart;
}

interface Platform {
  readonly world: World;
  appraise(): Promise<string>;
}

/** One keeper's machine of that maker, joined; what an environment takes is given. */
async function platform(evaluation: Environment['evaluation']): Promise<Platform> {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  const put = (bytes: Uint8Array) => {
    const digest = nodeCrypto.digest('sha256', bytes);
    kept.set(toHex(digest), new Uint8Array(bytes));
    return digest;
  };
  const get: BlobStore['get'] = async (digest) => {
    const found = kept.get(toHex(digest));
    if (found === undefined) throw new CodedError('blob-not-found', 'not-found', 'no such blob');
    return found;
  };
  const charter = charterSpecimen();
  const root = put(encodeRoot(maker.root));
  const id = hardwareIdOf(maker);
  const measurement = namedBytes('specimen', 'measurement/keeper/sgx');
  const changed = { root, evaluation, tcb: ['UpToDate'], minimumSvn: 'any' as const };
  const world = new World(
    {},
    {
      ...charter,
      operators: charter.operators.map((o, i) =>
        i === 0 ? { ...o, hardware: [{ tee: 'sgx-dcap', id }] } : o,
      ),
      environments: charter.environments.map((e) =>
        e.tee === 'sgx-dcap' ? { ...e, ...changed } : e,
      ),
    },
  );
  await world.found();
  await world.tickAll(FROM);
  world.evidenceOf = async (signing, join) => {
    const of = { genesis: world.genesis, signing, join };
    const data = reportData(of, 64, nodeCrypto);
    return put(
      mintEvidence({ root: maker, measurement, reportData: data, hardwareId: id, at: FROM }).bytes,
    );
  };
  const { id: join } = await world.joinKeeper('insurer');
  const blobs = { get } as unknown as BlobStore;
  const appraiser = new JoinAppraiser({ crypto: nodeCrypto, blobs });
  const appraise = async () => {
    try {
      const appraised = await appraiser.appraise(world.state, toHex(join));
      return appraised.ok ? 'good' : appraised.mismatch.code;
    } catch (error) {
      return error instanceof CodedError ? error.code : String(error);
    }
  };
  return { world, appraise };
}

async function bring(world: World, by: string, part: CollateralPart): Promise<string> {
  const { outcome } = await world.put(world.identity(by), 'collateral', part);
  return outcome.status === 'void' ? outcome.code : 'accepted';
}

describe('560 days of re-issues', () => {
  it(
    'appraise every day, whatever another member carries',
    async () => {
      const { world, appraise } = await platform({ least: 17, most: 18 });
      const issues = everyIssue().map((one) => ({ ...one, part: mintIssue(one.at, one.issue) }));
      const served = issues.filter(({ at }) => at <= FROM + 3 * DAY);
      let next = served.length;
      const verdicts = new Map<string, number>();
      const harm = async (kind: string, part: CollateralPart) => {
        const code = `${kind}: ${await bring(world, 'hospital', part)}`;
        verdicts.set(code, (verdicts.get(code) ?? 0) + 1);
      };
      await world.tickAll(FROM + 3 * DAY);
      for (const { part } of served) await bring(world, 'insurer', part);
      for (let day = 4; day < DAYS; day++) {
        await world.tickAll(FROM + day * DAY);
        for (; (issues[next]?.at ?? Infinity) <= world.state.clock; next++) {
          const { part, issue } = issues[next] as (typeof issues)[number];
          if (issue.number > 18) await harm('early', part);
          else expect(await bring(world, 'insurer', part), `${day} ${issue.part}`).toBe('accepted');
        }
        if (day % 10 === 0) {
          const old = issues[Math.max(0, next - 8 - (day % 7))];
          if (old !== undefined && old.issue.number < 19) await harm('old', old.part);
          const ahead = issues[next + 5];
          if (ahead !== undefined && ahead.issue.number < 19) await harm('ahead', ahead.part);
          const [stranger] = mintParts(namedMaker('a stranger'), { at: world.state.clock });
          await harm('stranger', stranger as CollateralPart);
        }
        expect(await appraise(), `day ${day}`).toBe('good');
      }
      const kinds = [...verdicts.keys()].sort();
      expect(kinds).toContain('ahead: collateral-from-the-future');
      expect(kinds).toContain('early: collateral-evaluation');
      expect(kinds).toContain('old: collateral-not-newer');
      expect(kinds).toContain('stranger: collateral-root');
      expect(kinds.filter((kind) => /^(ahead|early|stranger): accepted/.test(kind))).toEqual([]);
      // 17 and 18 of TCB info and identity, and two lists.
      expect(world.state.collateral.size).toBe(6);
    },
    LIMIT_MS,
  );
});

describe('what an environment takes', () => {
  const at = FROM - DAY;
  const of = (name: string, number: number, change: object = {}) =>
    mintParts(maker, { at, number, ...change }).find((one) => one.part === name) as CollateralPart;
  const all = (number: number, change: object = {}) => mintParts(maker, { at, number, ...change });

  it('holds early releases off where it says the greatest, and else follows them', async () => {
    for (const [evaluation, wanted] of [
      [{ least: 17, most: 17 }, 'good'],
      [{ least: 17 }, 'tcb-status-not-accepted'],
    ] as const) {
      const { world, appraise } = await platform(evaluation);
      for (const part of all(17)) await bring(world, 'insurer', part);
      expect(await appraise()).toBe('good');
      await bring(world, 'hospital', of('tcb-info', 20, { status: 'OutOfDate' }));
      expect(await appraise()).toBe(wanted);
    }
  });

  it('is judged by TCB info and identity of different numbers, as makers serve them', async () => {
    const { world, appraise } = await platform({ least: 17 });
    for (const part of all(17)) await bring(world, 'insurer', part);
    expect(await bring(world, 'hospital', of('tcb-info', 20))).toBe('accepted');
    expect(await bring(world, 'hospital', of('qe-identity', 19))).toBe('accepted');
    expect(await appraise()).toBe('good');
  });

  it('keeps the highest numbers only', async () => {
    const { world } = await platform({ least: 1 });
    // What is taken under another root keeps none here.
    const worker = world.state.charter?.environments.find(({ role }) => role === 'worker');
    const evaluation = { least: 1, most: 1 };
    Object.assign(worker as Environment, { rootKey: new Uint8Array(32), evaluation });
    for (let n = 1; n <= EVALUATIONS_KEPT; n++) await bring(world, 'insurer', of('tcb-info', n));
    expect(await bring(world, 'bank', of('tcb-info', 30))).toBe('accepted');
    expect(await bring(world, 'bank', of('tcb-info', 1))).toBe('collateral-evaluation');
    const numbers = [...world.state.collateral.values()].map(({ evaluation }) => evaluation);
    expect(numbers.sort((a, b) => a - b)).toEqual([2, 3, 4, 30]);
  });

  it('keeps what one environment needs, however many higher ones another takes', async () => {
    const { world, appraise } = await platform({ least: 17, most: 17 });
    const { charter } = world.state;
    const [first] = charter?.environments ?? [];
    if (charter === null || first === undefined) throw new Error('a charter is in force');
    const other = { ...first, id: 'follows', evaluation: { least: 1 } };
    world.state.charter = { ...charter, environments: [...charter.environments, other] };
    for (const part of all(17)) expect(await bring(world, 'insurer', part)).toBe('accepted');
    for (let n = 18; n < 18 + 2 * EVALUATIONS_KEPT; n++) {
      for (const name of ['tcb-info', 'qe-identity'] as const)
        await bring(world, 'bank', of(name, n));
    }
    expect(await appraise()).toBe('good');
    expect(await bring(world, 'bank', of('tcb-info', 18))).toBe('collateral-evaluation');
  });

  it('takes the longer chain of two, so that a signer that ends blocks nobody', async () => {
    const { world, appraise } = await platform({ least: 17 });
    const seed = namedBytes('specimen', 'maker');
    const ending = { seed, from: FROM + 10 * DAY - 25 * 365 * DAY };
    const short = createDevelopmentRoot('sgx-dcap', ending);
    for (const part of all(17)) {
      const name = part.part;
      const [ends] = mintParts(short, { at, number: 17 }).filter((one) => one.part === name);
      expect(await bring(world, 'hospital', ends as CollateralPart)).toBe('accepted');
      expect(await bring(world, 'insurer', part)).toBe('accepted');
      expect(await bring(world, 'hospital', ends as CollateralPart)).toBe('collateral-not-newer');
    }
    await world.tickAll(FROM + 20 * DAY);
    expect(await appraise()).toBe('good');
  });

  it('waits for a late release, and refuses nobody meanwhile', async () => {
    const { world, appraise } = await platform({ least: 17, most: 17 });
    for (const part of all(17)) await bring(world, 'insurer', part);
    await world.tickAll(FROM + 35 * DAY);
    expect(await appraise()).toBe('collateral-not-in-force');
    for (const part of all(17, { at: FROM + 34 * DAY })) {
      expect(await bring(world, 'bank', part)).toBe('accepted');
    }
    expect(await appraise()).toBe('good');
  });

  it('is judged by parts of its own root, whoever else serves that subject', async () => {
    const { world, appraise } = await platform({ least: 17 });
    for (const part of all(17)) await bring(world, 'insurer', part);
    const stranger = { ...namedMaker('a stranger'), subject: maker.subject };
    const rootKey = nodeCrypto.digest('sha256', stranger.root.key);
    const worker = world.state.charter?.environments.find(({ role }) => role === 'worker');
    Object.assign(worker as Environment, { rootKey });
    for (const part of mintParts(stranger, { at, number: 30, status: 'OutOfDate' })) {
      expect(await bring(world, 'hospital', part)).toBe('accepted');
    }
    expect(await appraise()).toBe('good');
  });
});

describe('a part', () => {
  const at = FROM - DAY;
  const info = (number: number, change: object = {}, subject = maker.subject) =>
    mintParts({ ...maker, subject }, { at, number, ...change })[0] as CollateralPart;

  it('is carried by members only', async () => {
    const { world } = await platform({ least: 0 });
    const { outcome } = await world.put(world.operator('bank'), 'collateral', info(1));
    expect(outcome).toMatchObject({ status: 'void', code: 'not-a-member' });
  });

  it('is known to the ledger as long as no newer one is at hand', async () => {
    const { world } = await platform({ least: 0 });
    const made = (part: CollateralPart) => verifyPart(part, nodeCrypto);
    expect(hasPart(world.state, await made(info(1)))).toBe(false);
    await bring(world, 'bank', info(1));
    expect(hasPart(world.state, await made(info(1)))).toBe(true);
    expect(hasPart(world.state, await made(info(1, { at: at - DAY })))).toBe(true);
    expect(hasPart(world.state, await made(info(1, { at: at + 60_000 })))).toBe(false);
    expect(hasPart(world.state, await made(info(2)))).toBe(false);
  });

  it('is in force from its date to its end', async () => {
    const { world } = await platform({ least: 0 });
    await bring(world, 'bank', info(1));
    const environment = world.state.charter?.environments[0] as Environment;
    const need = { part: 'tcb-info', subject: `sgx ${maker.subject}` } as const;
    const { collateral } = world.state;
    const found = (clock: number) => chooseParts({ collateral, clock }, environment, [need]);
    expect(found(at)).toMatchObject({ parts: [{ issued: at }] });
    expect(found(at - 1)).toEqual({ missing: need });
    expect(found(at + 30 * DAY)).toMatchObject({ parts: [{ issued: at }] });
    expect(found(at + 30 * DAY + 1)).toEqual({ missing: need });
  });

  it('gives way when no environment takes its number any more', async () => {
    const { world } = await platform({ least: 1 });
    for (const n of [3, 4, 5, 6]) await bring(world, 'insurer', info(n));
    for (const environment of world.state.charter?.environments ?? []) {
      Object.assign(environment, { evaluation: { least: 1, most: 4 } });
    }
    expect(await bring(world, 'bank', info(2))).toBe('accepted');
    const numbers = [...world.state.collateral.values()].map(({ evaluation }) => evaluation);
    expect(numbers.sort()).toEqual([2, 3, 4]);
  });

  it('that gave way counts for nobody', async () => {
    const { world } = await platform({ least: 1 });
    await bring(world, 'insurer', info(1));
    for (const environment of world.state.charter?.environments ?? []) {
      Object.assign(environment, { evaluation: { least: 2 } });
    }
    await bring(world, 'bank', info(2));
    expect([...world.state.collateral.values()].map(({ by }) => by)).toEqual(['bank']);
  });

  it('counts for its member, root and part alone', async () => {
    const { world } = await platform({ least: 0 });
    const other = (i: number) => info(1, {}, `cd${i.toString().padStart(10, '0')}`);
    for (let i = 0; i < SUBJECTS_A_MEMBER; i++) {
      expect(await bring(world, 'insurer', other(i))).toBe('accepted');
    }
    const stranger = namedMaker('a stranger');
    const rootKey = nodeCrypto.digest('sha256', stranger.root.key);
    const worker = world.state.charter?.environments.find(({ role }) => role === 'worker');
    Object.assign(worker as Environment, { rootKey });
    const [theirs] = mintParts(stranger, { at, number: 1 });
    expect(await bring(world, 'bank', theirs as CollateralPart)).toBe('accepted');
    for (const part of mintParts(maker, { at, number: 1 }).slice(1))
      await bring(world, 'bank', part);
    for (let i = 100; i < 100 + SUBJECTS_A_MEMBER; i++) {
      expect(await bring(world, 'bank', other(i))).toBe('accepted');
    }
    expect(await bring(world, 'bank', other(200))).toBe('collateral-quota');
    expect(await bring(world, 'bank', info(1, { at: at + 60_000 }, 'cd0000000003'))).toBe(
      'accepted',
    );
  });

  it('refuses without giving anything up, not even what nobody takes any more', async () => {
    const { world } = await platform({ least: 1 });
    const other = (i: number) => info(2, {}, `cd${i.toString().padStart(10, '0')}`);
    expect(await bring(world, 'insurer', info(1, {}, 'cd0000009999'))).toBe('accepted');
    for (const one of world.state.charter?.environments ?? []) {
      Object.assign(one, { evaluation: { least: 2 } });
    }
    for (let i = 0; i < SUBJECTS_A_MEMBER; i++) await bring(world, 'bank', other(i));
    const before = new Map(world.state.collateral);
    expect(await bring(world, 'bank', info(2, {}, 'cd0000009999'))).toBe('collateral-quota');
    expect(world.state.collateral).toEqual(before);
    expect(await bring(world, 'insurer', info(2, {}, 'cd0000009999'))).toBe('accepted');
    expect(world.state.collateral.size).toBe(before.size);
  });
});
