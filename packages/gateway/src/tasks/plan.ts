// SPDX-License-Identifier: Apache-2.0
// A task before it is one: its datasets found, its code planned, its uses judged against every
// owner's policy, and what people are told of that. Nothing here is recorded.
import { type CheckAnswer, type DatasetJson, type TaskRequest, taskRequest } from '@cloister/api';
import { columnsRead, type DatasetSchema, type EventBody, type Input } from '@cloister/contract';
import {
  type EnginePlan,
  type EngineTable,
  type Judgement,
  judge,
  ofKind,
  type Planner,
  type Policy,
} from '@cloister/contract/policy';
import { type CodedError, firstIssue, isCoded, toHex, utf8 } from '@cloister/core';
import { type Gateway, memberOf, stateInForce } from '../context.ts';
import { listDatasets, readDataset } from '../datasets/datasets.ts';
import { gatewayError } from '../errors.ts';
import { bytesRead, estimateCost } from './cost.ts';

/**
 * The planner understood the code and will not have it (ports/planner.ts): for policies that is a
 * no like any other.
 */
const REFUSED_CODE = /^(engine-not-select|[a-z]+(-[a-z]+)*-refused)$/;
/** What stands for the plan of refused code: no uses, and an output that will never be. */
const NO_PLAN = { uses: [], outputs: [{ id: 1, statement: 0, name: 'none', type: 'VARCHAR' }] };

/** A request with its datasets found and its code planned. */
export interface PlannedTask {
  readonly request: ReturnType<typeof taskRequest.parse>;
  readonly tables: readonly string[];
  readonly inputs: readonly {
    readonly owner: string;
    readonly body: EventBody<'dataset'>;
    readonly schema: DatasetSchema;
    readonly policy: Policy;
  }[];
  readonly plan: Pick<EnginePlan, 'uses' | 'outputs'>;
  readonly engine: Pick<Planner, 'kind' | 'version'>;
  /** Why the engine will not have the code; then the plan is empty. */
  readonly refused?: CodedError | undefined;
  readonly recipients: readonly string[];
  readonly judgement: Judgement;
}

/**
 * Finds the datasets, plans the code and judges it.
 * @throws CodedError `task-malformed`, `engine-other`, `dataset-not-found`, and the
 *   planner's for what is no code of its language
 */
export async function planTask(gateway: Gateway, raw: TaskRequest): Promise<PlannedTask> {
  const parsed = taskRequest.safeParse(raw);
  if (!parsed.success) throw malformed(firstIssue(parsed.error).says);
  const request = parsed.data;
  const planner = ofKind('planner', gateway.planners, request.engine);
  const tables = Object.keys(request.inputs);
  if (tables.length === 0) throw malformed('a task needs at least one input');
  const listed = await listDatasets(gateway);
  const inputs = await Promise.all(
    Object.values(request.inputs).map((name) => findInput(gateway, listed, name)),
  );
  const { plan, refused } = await planOrRefusal(planner, {
    code: request.code,
    tables: tables.map((name, i) => ({ name, columns: inputs[i]?.schema.columns ?? [] })),
  });
  const recipients = request.recipients.length === 0 ? [gateway.card.id] : request.recipients;
  for (const id of recipients) memberOf(gateway, id);
  const judgement = judge({
    uses: plan.uses,
    policies: inputs.map((i) => i.policy),
    task: {
      purpose: request.purpose,
      codeDigest: toHex(gateway.crypto.digest('sha256', utf8(request.code))),
      outputs: plan.outputs.map(({ id }) => ({ id, recipients })),
    },
  });
  const engine = { kind: planner.kind, version: planner.version };
  return { request, tables, inputs, plan, engine, refused, recipients, judgement };
}

/**
 * The plan, or why the engine refuses the code. Code that is no SQL at all is told to who wrote it
 * and proposed to nobody. @throws CodedError the engine's other codes
 */
async function planOrRefusal(
  planner: Planner,
  request: { code: string; tables: EngineTable[] },
): Promise<Pick<PlannedTask, 'plan' | 'refused'>> {
  try {
    return { plan: await planner.plan(request) };
  } catch (error) {
    if (!isCoded(error) || !REFUSED_CODE.test(error.code)) throw error;
    return { plan: NO_PLAN, refused: error };
  }
}

/** `owner/name`, a dataset id, either with `@version`. @throws CodedError `dataset-not-found` */
async function findInput(
  gateway: Gateway,
  listed: readonly DatasetJson[],
  name: string,
): Promise<PlannedTask['inputs'][number]> {
  const [, wanted = '', version] = /^(.*?)(?:@(\d{1,9}))?$/.exec(name) ?? [];
  const named = listed.filter((d) => d.dataset === wanted || `${d.owner}/${d.name}` === wanted);
  const known = named.filter(({ retired }) => !retired);
  const newest = Math.max(...known.map((d) => d.version));
  const found = known.find((d) => d.version === (version === undefined ? newest : Number(version)));
  const dataset = stateInForce(gateway).datasets.get(found?.dataset ?? '');
  const body = dataset?.versions.get(found?.version ?? 0)?.body;
  if (found !== undefined && dataset !== undefined && body !== undefined) {
    return { owner: dataset.owner, body, ...(await readDataset(gateway, body)) };
  }
  const message = `no dataset is called ${name}: name it as owner/name (cloister dataset list)`;
  throw gatewayError('dataset-not-found', message);
}

/** Each input with the columns that a run will read. */
export function inputsOf(planned: PlannedTask): Input[] {
  const { uses } = planned.plan;
  const { suppression } = planned.judgement;
  return planned.inputs.map(({ body, schema }, at) => {
    const asked = schema.columns.map((column) => column.id);
    const columns = columnsRead(at, { uses, suppression, asked });
    return { dataset: body.dataset, version: body.version, columns };
  });
}

/** What the proposer is told: findings, uses, outputs and cost, by names. */
export function answerOf(planned: PlannedTask): CheckAnswer {
  const { judgement, plan, inputs, tables, refused } = planned;
  const read = inputsOf(planned);
  const column = (input: number, id: number) =>
    inputs[input]?.schema.columns.find((c) => c.id === id)?.name ??
    (id === 0 ? '(rows)' : `#${id}`);
  return {
    ok: judgement.ok && refused === undefined,
    findings: [
      ...(refused === undefined ? [] : [codeFinding(refused)]),
      ...judgement.findings.map((finding) => ({
        statement: finding.statement + 1,
        table: tables[finding.input] ?? '',
        owner: inputs[finding.input]?.owner ?? '',
        column: column(finding.input, finding.column),
        rule: finding.rule,
        code: finding.code,
        sentence: finding.sentence,
        ...(finding.unblock === undefined ? {} : { unblock: JSON.stringify(finding.unblock) }),
      })),
    ],
    uses: plan.uses.map((use) => ({
      statement: use.statement + 1,
      table: tables[use.input] ?? '',
      column: column(use.input, use.column),
      role: use.role,
      how: use.function === '' ? use.expression : `${use.function}(${use.expression})`,
    })),
    outputs: plan.outputs.map((output) => ({ ...output, statement: output.statement + 1 })),
    engine: planned.engine,
    reads: read.map((input, at) => {
      const { owner, body } = inputs[at] as PlannedTask['inputs'][number];
      const columns = input.columns.map((id) => column(at, id));
      const bytes = bytesRead(input, body);
      return { table: tables[at] ?? '', owner, columns, rows: body.rows, bytes };
    }),
    cost: estimateCost(
      read,
      inputs.map((i) => i.body),
    ),
  };
}

/** The engine's no: of nobody's column, and no grant unblocks it. */
function codeFinding(refused: CodedError): CheckAnswer['findings'][number] {
  const { code, message: sentence } = refused;
  return { statement: 0, table: '', owner: '', column: '', rule: 'code', code, sentence };
}

/** A request that is no task. */
export function malformed(message: string): CodedError {
  return gatewayError('task-malformed', message);
}
