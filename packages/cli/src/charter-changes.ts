// SPDX-License-Identifier: Apache-2.0
// The flags of `charter amend`, applied to a charter: each is one change, in the order of the list
// below. What they mean together is checked by the gateway, and again by every reader.
import {
  type CharterBody,
  type Environment,
  type Operator,
  quorumProblem,
  smallestQuorum,
} from '@cloister/contract';
import { cageHolds } from '@cloister/contract/policy';
import { fromHex, toHex } from '@cloister/core';
import type { MemberCard, OperatorCard } from '@cloister/gateway/home';
import { environmentsOf } from './charter-file.ts';
import { cliError } from './errors.ts';
import type { HardwareCard } from './hardware.ts';

/** What the command line asks for; lists are empty where nothing is. */
export interface CharterWishes {
  readonly addMember: readonly MemberCard[];
  readonly removeMember: readonly string[];
  /** Cards with other keys of members that there are. */
  readonly rekey: readonly MemberCard[];
  /** Cards of operators: new ones, or with machines enrolled since. */
  readonly operator: readonly OperatorCard[];
  readonly removeOperator: readonly string[];
  /** Machines whose keeper and worker environments are added. */
  readonly hardware: readonly HardwareCard[];
  readonly retireEnvironment: readonly string[];
  /** `environment=hexadecimal`. */
  readonly addMeasurement: readonly string[];
  readonly retireMeasurement: readonly string[];
  /** `environment=least security version`. */
  readonly minimumSvn: readonly string[];
  /** Operators whose keeper may take one seat without consent. */
  readonly addSpare: readonly string[];
  readonly removeSpare: readonly string[];
  readonly keepers?: number | undefined;
  readonly threshold?: number | undefined;
  readonly vendors?: number | undefined;
  readonly faulty?: number | undefined;
  readonly quorum?: number | undefined;
  readonly fold?: number | undefined;
  readonly name?: string | undefined;
}

/** The next charter. @throws CodedError `option-malformed` for what the charter does not have */
export async function changedCharter(
  before: CharterBody,
  wishes: CharterWishes,
): Promise<CharterBody> {
  const members = changedMembers(before, wishes);
  const environments = await changedEnvironments(before, wishes);
  const { keepers: seats, threshold, vendors } = wishes;
  const was = before.keepers;
  return {
    ...before,
    version: before.version + 1,
    name: wishes.name ?? before.name,
    members,
    witnesses: changedWitnesses(before, members.length, wishes),
    operators: changedOperators(before, wishes),
    environments,
    keepers: {
      seats: seats ?? was.seats,
      threshold: threshold ?? was.threshold,
      vendors: vendors ?? was.vendors,
      spares: [...was.spares.filter((id) => !wishes.removeSpare.includes(id)), ...wishes.addSpare],
    },
    fold: wishes.fold ?? before.fold,
  };
}

function changedMembers(before: CharterBody, wishes: CharterWishes): CharterBody['members'] {
  const keys = (card: MemberCard) => ({
    id: card.id,
    name: card.name,
    identity: fromHex(card.identity),
    witness: fromHex(card.witness),
    hpke: fromHex(card.hpke),
  });
  mustHave('member', before.members, [...wishes.removeMember, ...wishes.rekey.map((c) => c.id)]);
  const kept = before.members
    .filter(({ id }) => !wishes.removeMember.includes(id))
    .map((was) => {
      const card = wishes.rekey.find(({ id }) => id === was.id);
      return card === undefined ? was : { ...keys(card), name: was.name };
    });
  return [...kept, ...wishes.addMember.map(keys)];
}

/** As given; where the number of members changes, as many may lie as before, if that can be. */
function changedWitnesses(
  before: CharterBody,
  members: number,
  { faulty, quorum }: CharterWishes,
): CharterBody['witnesses'] {
  const was = before.witnesses;
  if (members === before.members.length && faulty === undefined) {
    return { ...was, quorum: quorum ?? was.quorum };
  }
  let lying = faulty ?? was.faulty;
  const fits = () =>
    quorumProblem({ witnesses: members, faulty: lying, quorum: smallestQuorum(members, lying) });
  while (faulty === undefined && lying > 0 && fits() !== undefined) lying -= 1;
  return { faulty: lying, quorum: quorum ?? smallestQuorum(members, lying) };
}

function changedOperators(before: CharterBody, wishes: CharterWishes): Operator[] {
  mustHave('operator', before.operators, wishes.removeOperator);
  const given = wishes.operator.map((card) => ({
    id: card.id,
    name: card.name,
    key: fromHex(card.key),
    hardware: card.hardware.map(({ tee, id }) => ({ tee, id: fromHex(id) })),
  }));
  const kept = before.operators
    .filter(({ id }) => !wishes.removeOperator.includes(id))
    .map((was) => given.find(({ id }) => id === was.id) ?? was);
  const known = new Set(before.operators.map(({ id }) => id));
  return [...kept, ...given.filter(({ id }) => !known.has(id))];
}

async function changedEnvironments(
  before: CharterBody,
  wishes: CharterWishes,
): Promise<Environment[]> {
  const cages = before.environments.map(({ cage }) => cage);
  // A machine more loosens nothing: its worker holds code as well as the best of the others do.
  const cage = cages.reduce((a, b) => (cageHolds(a, b) ? a : b), 'process');
  const added = (
    await Promise.all(wishes.hardware.map((card) => environmentsOf(card, cage)))
  ).flat();
  const known = new Set(before.environments.map(({ id }) => id));
  mustHave('environment', before.environments, wishes.retireEnvironment);
  const environments = [
    ...before.environments.filter(({ id }) => !wishes.retireEnvironment.includes(id)),
    ...added.filter(({ id }) => !known.has(id)),
  ];
  const change = (option: string, apply: (of: Environment, value: string) => Environment) => {
    const at = option.indexOf('=');
    const [id, value] = [option.slice(0, at), option.slice(at + 1)];
    mustHave('environment', environments, [id]);
    const i = environments.findIndex((one) => one.id === id);
    environments[i] = apply(environments[i] as Environment, value);
  };
  for (const option of wishes.addMeasurement) change(option, withMeasurement);
  for (const option of wishes.retireMeasurement) change(option, withoutMeasurement);
  for (const option of wishes.minimumSvn) {
    change(option, (of, value) => ({ ...of, minimumSvn: Number(value) }));
  }
  return environments;
}

function withMeasurement(of: Environment, value: string): Environment {
  const source = 'a later build of Cloister';
  const recipe = `npm ci && npx cloister ${of.role} measure`;
  const measurement = fromHex(value);
  return { ...of, measurements: [...of.measurements, { measurement, source, recipe }] };
}

function withoutMeasurement(of: Environment, value: string): Environment {
  const kept = of.measurements.filter(({ measurement }) => toHex(measurement) !== value);
  if (kept.length < of.measurements.length) return { ...of, measurements: kept };
  throw cliError('option-malformed', `${of.id} takes no measurement ${value.slice(0, 16)}...`);
}

function mustHave(what: string, list: readonly { id: string }[], ids: readonly string[]): void {
  const missing = ids.find((id) => !list.some((one) => one.id === id));
  if (missing === undefined) return;
  const known = list.map(({ id }) => id).join(', ');
  throw cliError('option-malformed', `the charter has no ${what} ${missing}, but ${known}`);
}
