// SPDX-License-Identifier: Apache-2.0
// Looks at every opening with the whole truth, without asking the code under test: who the node is,
// what was on the true ledger, who really signed, what was committed. Invariants checked: design,
// "Key sharing"; no key to an unattested or unapproved node, none on a stale or foreign head, none
// past a limit, nothing but granted columns and true openings.
import { toHex } from '@cloister/core';
import type { OpenRequest } from '@cloister/keeper/parts';
import { logOrigin, parseFreshness, parseNote } from '@cloister/tlog';
import type { Gateway } from './gateways.ts';
import type { Stage } from './stage.ts';
import { mayOpen, OWNER, type Task } from './tasks.ts';

type Partials = readonly { readonly input: number; readonly column: number }[];

/** What the checker knows of one join. */
export interface Asked {
  readonly task: Task;
  readonly trueOpenings: boolean;
  readonly columns: readonly number[];
  readonly ownKeys: boolean;
}

export class Checker {
  openings = 0;
  readonly asked = new Map<string, Asked>();
  readonly #stage: Stage;
  readonly #gateways: readonly Gateway[];
  readonly #drawn = new Map<string, { by: string; join: string; least: number; used: boolean }>();
  readonly #opened = new Map<string, Set<string>>();
  readonly #ended = new Map<string, number>();

  constructor(stage: Stage, gateways: readonly Gateway[]) {
    this.#stage = stage;
    this.#gateways = gateways;
  }

  drew(by: string, join: string, challenge: Uint8Array): void {
    const honest = this.#gateways.filter((gateway) => !gateway.lies);
    const least = Math.max(...honest.map((gateway) => gateway.size));
    this.#drawn.set(toHex(challenge), { by, join, least, used: false });
  }

  /** After every step of the simulation. */
  step(): void {
    const { state } = this.#stage.world;
    for (const run of state.runs.values()) {
      if (run.status !== 'joined' && !this.#ended.has(run.join)) {
        this.#ended.set(run.join, state.seq);
      }
    }
  }

  opened(by: string, request: OpenRequest, partials: Partials | 'asked'): void {
    this.openings++;
    const join = toHex(request.join);
    const wrong = this.#judge(by, join, request, partials);
    if (wrong !== undefined) this.#stage.violate(`${by} opened for ${join.slice(0, 8)}: ${wrong}`);
  }

  #judge(by: string, join: string, request: OpenRequest, partials: Partials | 'asked') {
    const { world, attested } = this.#stage;
    const asked = this.asked.get(join) as Asked;
    if (!attested.has(join)) return 'its evidence is wrong';
    if (!world.state.joins.has(join)) return 'its join is not accepted';
    const stale = this.#stale(by, join, request.freshness);
    if (stale !== undefined) return stale;
    if (!asked.trueOpenings) return 'the openings are not those committed to';
    if (!asked.ownKeys) return 'the sealed keys are another dataset’s';
    const may = mayOpen(asked.task);
    const columns = partials === 'asked' ? asked.columns : partials.map(({ column }) => column);
    const dataset = toHex(asked.task.dataset.body.dataset);
    const extra = columns.find((column) => !may.has(`${dataset}/${column}`));
    if (extra !== undefined) return `column ${extra} was never granted`;
    const task = toHex(asked.task.id);
    const joins = this.#opened.get(task) ?? new Set();
    this.#opened.set(task, joins.add(join));
    return joins.size > 1 ? 'a grant for one run was used twice' : undefined;
  }

  #stale(by: string, join: string, notes: readonly string[]): string | undefined {
    const { world, tree, issued } = this.#stage;
    const texts = new Set(notes.map((note) => parseNote(note).text));
    if (texts.size !== 1) return 'the witnesses signed different heads';
    const [text] = [...texts] as [string];
    const { checkpoint, challenges } = parseFreshness(text);
    if (checkpoint.origin !== logOrigin(world.genesis)) return 'the head is of another charter';
    const drawn = challenges
      .map((challenge) => this.#drawn.get(toHex(challenge)))
      .find((one) => one?.by === by && one.join === join && !one.used);
    if (drawn === undefined) return 'no challenge of its own that was unused';
    drawn.used = true;
    const names = notes.flatMap((note) => parseNote(note).signatures.map(({ name }) => name));
    const real = new Set(names.filter((name) => issued.has(`${name}\n${text}`)));
    if (real.size < world.charter.witnesses.quorum) return `${real.size} witnesses signed`;
    if (!real.has(OWNER)) return 'the owner’s own witness did not sign';
    const { size, root } = checkpoint;
    if (size > tree.size || toHex(tree.root(size)) !== toHex(root)) return 'the head is a fork';
    if (size < drawn.least) return `the head ${size} is older than ${drawn.least}`;
    const ended = this.#ended.get(join);
    return ended !== undefined && ended <= size ? 'its run had ended' : undefined;
  }
}
