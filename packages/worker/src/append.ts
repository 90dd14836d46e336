// SPDX-License-Identifier: Apache-2.0
// Events of ours on the ledger. A gateway's word is not taken: an event counts as accepted when our
// own fold of entries under a cosigned head has it, and as void when that head includes its bytes
// at the named position and the fold does not. Where neither is so, the gateway lied, and the next
// one is asked.

import { firstOf, isPassing, patiently, within } from '@cloister/attested';
import { type EventBody, type EventKind, signEvent } from '@cloister/contract';
import { type CodedError, equal, type Signer, type Timers } from '@cloister/core';
import type { TreeHead } from '@cloister/tlog';
import { tidyCode, workerError } from './errors.ts';
import { followPast, type WitnessRule } from './freshness.ts';
import type { Gateway, Links, WorkerPorts } from './ports.ts';

/** One gateway's time for an append. */
const APPEND_MS = 10_000;
/** After this long under cosigned heads that do not have it, a claim to have appended is a lie. */
const SUSPECT_MS = 10_000;
const ENTRY_STEP_MS = 1_000;

export interface Append {
  readonly bytes: Uint8Array;
  /** For messages: `join`, `usage`... */
  readonly what: string;
  /** Whether our own fold has it accepted. */
  readonly landed: () => boolean;
  readonly rule: WitnessRule;
  /** Told what a gateway says of it, before it is cosigned: no more than its word. */
  readonly onAppended?: (status: 'accepted' | 'void') => void;
}

/** What one gateway claims. */
interface Claim {
  readonly gateway: Gateway;
  readonly seq: number;
  readonly code: string | undefined;
  readonly sentence: string | undefined;
  readonly since: number;
}

/**
 * Appends until our fold has the event under a cosigned head that the rule's witnesses signed, and
 * answers that head. While no head can be had, it waits and appends nothing again.
 * @throws CodedError `event-void` or `join-void` with the code in its details
 */
export function appendUntilLanded(
  ports: WorkerPorts,
  identity: Pick<Links, 'gateways'>,
  append: Append,
): Promise<TreeHead> {
  const { gateways } = identity;
  let next = 0;
  let claim: Claim | undefined;
  const { timers } = ports;
  const bounds = { timers, patienceMs: ports.config.patienceMs };
  return patiently(`the ${append.what} on the ledger`, bounds, async () => {
    claim ??= await appendAt(timers, gateways[next++ % gateways.length] as Gateway, append);
    const { seq, since } = claim;
    const suspect = timers.elapsed() - since > SUSPECT_MS;
    const { rule } = append;
    const head = await followPast(ports, gateways, { seq: suspect ? -1 : seq, rule });
    if (append.landed()) return head;
    if (head.size > seq && (await isAt(timers, identity, claim, append.bytes))) {
      throw voided(append.what, claim);
    }
    claim = undefined;
    const message = `a gateway said that the ${append.what} is on the ledger, and it is not`;
    throw workerError('gateway-lied', 'unavailable', message);
  });
}

async function appendAt(timers: Timers, gateway: Gateway, append: Append): Promise<Claim> {
  const bounds = { timers, limitMs: APPEND_MS };
  const answer = await within('a gateway', bounds, gateway.append(append.bytes));
  append.onAppended?.(answer.status);
  const { seq, code, sentence } = answer;
  return { gateway, seq, code, sentence, since: timers.elapsed() };
}

/** Whether another gateway, where there is one, shows these bytes at a position. */
async function isAt(
  timers: Timers,
  identity: Pick<Links, 'gateways'>,
  claim: Claim,
  bytes: Uint8Array,
): Promise<boolean> {
  const others = identity.gateways.filter((gateway) => gateway !== claim.gateway);
  const asked = others.length > 0 ? others : identity.gateways;
  try {
    const { events } = await firstOf(asked, { timers, stepMs: ENTRY_STEP_MS }, (gateway) =>
      gateway.entries(claim.seq, { limit: 1 }),
    );
    return events[0] !== undefined && equal(events[0], bytes);
  } catch (error) {
    if (isPassing(error)) return false;
    throw error;
  }
}

/** Signs an event with the run's key and appends it until it has landed. */
export async function publish<K extends EventKind>(
  ports: WorkerPorts,
  identity: Pick<Links, 'gateways'> & { readonly signer: Signer },
  event: { kind: K; body: EventBody<K> } & Pick<Append, 'landed' | 'rule' | 'onAppended'>,
): Promise<TreeHead> {
  const { kind, body, ...landing } = event;
  const { genesis, config } = ports;
  const bytes = await signEvent(identity.signer, config.name, { genesis, kind, body });
  return appendUntilLanded(ports, identity, { bytes, what: kind, ...landing });
}

function voided(what: string, { code, sentence }: Claim): CodedError {
  const details = { code: tidyCode(code) };
  const message = `the ledger has the ${what} as void (${details.code}): ${sentence ?? ''}`;
  const own = what === 'join' ? 'join-void' : 'event-void';
  return workerError(own, 'policy', message, { details });
}
