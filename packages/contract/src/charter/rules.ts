// SPDX-License-Identifier: Apache-2.0
// What a charter's numbers and names must satisfy together, beyond the shape of its body: names,
// keys and hardware are unique; the quorum rule (quorum.ts); threshold and vendor rule
// (vendor-rule.ts) hold together and can be met by the operators and environments that the charter
// lists; evidence kinds bind report data; keeper and worker measurements differ; simulated hardware
// only where the charter says so. `admit` refuses a charter that breaks one of them.
// spec/events.md, "charter".
import { type CodedError, toHex } from '@cloister/core';
import { type EvidenceKind, REPORT_DATA_LENGTH } from '@cloister/evidence';
import { type CharterErrorCode, type ContractErrorCode, contractError } from '../errors.ts';
import type { CharterBody } from './body.ts';
import { quorumProblem } from './quorum.ts';
import { familiesOf, mostSeats } from './vendor-rule.ts';

type Problem = CodedError<ContractErrorCode>;

/** @throws CodedError with a `charter-` code: the first of `charterProblems`. */
export function checkCharter(body: CharterBody): void {
  const first = charterProblems(body)[0];
  if (first !== undefined) throw first;
}

/** Everything that is wrong with the charter, in a stable order. */
export function charterProblems(body: CharterBody): Problem[] {
  return [
    ...uniqueness(body),
    ...quorum(body),
    ...threshold(body),
    ...environments(body),
    ...seats(body),
    ...spares(body),
  ];
}

function uniqueness(body: CharterBody): Problem[] {
  const ids = [
    ...repeats(body.members.map((m) => m.id)).map((id) => `two members are called ${id}`),
    ...repeats(body.operators.map((o) => o.id)).map((id) => `two operators are called ${id}`),
    ...repeats(body.environments.map((e) => e.id)).map((id) => `two environments are called ${id}`),
  ].map((got) => problem('charter-id-repeated', `${got}; wanted every name once`));
  const keys = [
    ...body.members.flatMap((m) => [
      [m.identity, `${m.id}'s identity`],
      [m.witness, `${m.id}'s witness`],
      [m.hpke, `${m.id}'s HPKE key`],
      ...(m.chains ?? []).map(({ chain, key }) => [key, `${m.id}'s on ${chain}`]),
    ]),
    ...body.operators.map((o) => [o.key, `operator ${o.id}'s key`]),
  ] as [Uint8Array, string][];
  const hardware = body.operators.flatMap((o) =>
    o.hardware.map((h) => [`${h.tee} ${toHex(h.id)}`, `operator ${o.id}`] as const),
  );
  const sameKeys = clashes(keys.map(([key, owner]) => [toHex(key), owner] as const));
  return [
    ...ids,
    ...sameKeys.map(([, owners]) =>
      problem('charter-key-repeated', `one key is ${owners}; wanted a key of its own for each`),
    ),
    ...clashes(hardware).map(([id, owners]) =>
      problem('charter-hardware-repeated', `hardware ${id} is enrolled twice (${owners})`),
    ),
  ];
}

function quorum(body: CharterBody): Problem[] {
  const wrong = quorumProblem({ witnesses: body.members.length, ...body.witnesses });
  return wrong === undefined ? [] : [problem('charter-quorum', wrong)];
}

function threshold(body: CharterBody): Problem[] {
  const { seats: n, threshold: t, vendors: v } = body.keepers;
  if (t > n) {
    return [problem('charter-threshold', `got a threshold of ${t} for ${n} keepers, wanted <= n`)];
  }
  if (t === 1 && v > 1) {
    const got = `got a threshold of 1 with a vendor rule of ${v}: one keeper's break opens all`;
    return [problem('charter-vendor-rule', `${got}; wanted t >= 2, or vendors = 1`)];
  }
  return [];
}

function environments(body: CharterBody): Problem[] {
  const found: Problem[] = [];
  for (const role of ['keeper', 'worker'] as const) {
    if (!body.environments.some((e) => e.role === role)) {
      found.push(
        problem('charter-environments', `got no ${role} environment, wanted at least one`),
      );
    }
  }
  for (const { id, role, engines } of body.environments) {
    const fits = role === 'worker' ? engines.length > 0 : engines.length === 0;
    if (fits && new Set(engines).size === engines.length) continue;
    const got = `environment ${id}, a ${role}'s, has the engines ${engines.join(', ') || 'none'}`;
    const wanted = 'wanted one at least for a worker, each once, and none for a keeper';
    found.push(problem('charter-engines', `${got}; ${wanted}`));
  }
  for (const { id, role, cage, measurements, signers } of body.environments) {
    if (measurements.length > 0 === signers.length > 0) {
      const got = `environment ${id} has ${measurements.length} measurements`;
      const wanted = 'wanted measurements or signers, not both';
      found.push(problem('charter-programs', `${got}, ${signers.length} signers; ${wanted}`));
    }
    if (role === 'keeper' && cage !== 'none') {
      const got = `environment ${id} is a keeper's and has a cage for code`;
      found.push(problem('charter-cage', `${got}; wanted none`));
    }
  }
  const keeper = measurementsOf(body, 'keeper');
  for (const shared of measurementsOf(body, 'worker').filter((m) => keeper.includes(m))) {
    const got = `measurement ${shared.slice(0, 16)}... is a keeper's and a worker's`;
    found.push(problem('charter-measurement-roles', `${got}; wanted them to differ`));
  }
  for (const { id, tee, family, trust, evaluation } of body.environments) {
    const { least, most = least } = evaluation;
    if (most < least) {
      const got = `environment ${id} takes evaluation numbers from ${least} to ${most}`;
      found.push(problem('charter-evaluation', `${got}; wanted the greatest to be no less`));
    }
    if (!Object.hasOwn(REPORT_DATA_LENGTH, tee) || REPORT_DATA_LENGTH[tee as EvidenceKind] === 0) {
      const got = `environment ${id} has the evidence kind ${tee}`;
      found.push(problem('charter-tee', `${got}; wanted one that binds report data`));
    }
    const enrollers = familiesOf(family).flatMap((f) => f.split(':').slice(1));
    if (familiesOf(family).some((f) => f === '' || f.startsWith(':') || f.endsWith(':'))) {
      found.push(problem('charter-family', `environment ${id} has an empty part in its family`));
    }
    for (const enroller of enrollers) {
      if (body.operators.some((o) => o.id === enroller)) continue;
      const got = `environment ${id} counts under ${enroller}, who is no operator`;
      found.push(problem('charter-family', `${got}; wanted an operator of this charter`));
    }
    if (trust === 'simulated' && !body.simulated) {
      const got = `environment ${id} is simulated, and the charter does not accept simulation`;
      found.push(problem('charter-simulated', `${got}; wanted simulated: true, or real hardware`));
    }
  }
  return found;
}

/** Whether the seats could be filled: a necessary condition, see `mostSeats`. */
function seats(body: CharterBody): Problem[] {
  const { seats: n, threshold: t, vendors: v } = body.keepers;
  if (t > n || (t === 1 && v > 1)) return [];
  const homes = body.environments.filter((e) => e.role === 'keeper');
  const families = new Set(homes.flatMap((e) => familiesOf(e.family))).size;
  const tees = new Set(homes.map((e) => e.tee));
  const able = body.operators.filter((o) => o.hardware.some((h) => tees.has(h.tee))).length;
  const most = able === 0 ? 0 : mostSeats({ threshold: t, vendors: v }, families, able);
  if (most >= n) return [];
  const who = `${families} root families and ${able} operators with keeper hardware`;
  const got = `${who} fill ${most} seats`;
  const rule = `with t = ${t}, vendors = ${v}`;
  return [problem('charter-seats-unfillable', `${got} ${rule}; wanted ${n}`)];
}

function spares(body: CharterBody): Problem[] {
  const operators = new Set(body.operators.map((o) => o.id));
  const named = body.keepers.spares;
  const strangers = named.filter((id) => !operators.has(id));
  return [
    ...strangers.map((id) => `got the spare ${id}, who is no operator; wanted one of this charter`),
    ...repeats(named).map((id) => `got the spare ${id} twice; wanted every name once`),
  ].map((got) => problem('charter-spares', got));
}

function measurementsOf(body: CharterBody, role: 'keeper' | 'worker'): string[] {
  return body.environments
    .filter((e) => e.role === role)
    .flatMap((e) => e.measurements.map((m) => toHex(m.measurement)));
}

function repeats(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, i) => values.indexOf(value) !== i))];
}

/** Keys that occur more than once, each with its owners' names. */
function clashes(pairs: readonly (readonly [string, string])[]): [string, string][] {
  const owners = new Map<string, string[]>();
  for (const [key, owner] of pairs) owners.set(key, [...(owners.get(key) ?? []), owner]);
  return [...owners]
    .filter(([, names]) => names.length > 1)
    .map(([key, names]) => [key, names.join(' and ')]);
}

function problem(code: CharterErrorCode, sentence: string): Problem {
  return contractError(code, `this charter contradicts itself: ${sentence}`);
}
