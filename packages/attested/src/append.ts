// SPDX-License-Identifier: Apache-2.0
// Events of ours on the ledger. A gateway's word is not taken: an event counts as accepted when our
// own fold of entries under a cosigned head has it, and as void when that head includes its bytes
// at the named position and the fold does not. Where neither is so, the gateway lied, and the next
// one is asked. Signatures are deterministic: asking again is asking for the same bytes, and an
// event counts once however often the ledger has it.
//
// Invariant: between two gateways that lie no more time passes than leaves as many of them as may
// lie, and an honest one, their turn well within a phase of a key epoch, whose silent seats are
// excluded at its end.
import { type EventKind, eventId, placed, type Said, signEvent } from '@cloister/contract';
import { type CodedError, isCoded, type Signer, toHex } from '@cloister/core';
import type { TreeHead } from '@cloister/tlog';
import { followPast, type WitnessRule, witnessRule } from './cosigned-head.ts';
import { attestedError, tidyCode } from './errors.ts';
import { isPassing, patiently, within } from './patience.ts';
import type { LedgerPeer, LedgerPorts } from './ports.ts';

/** One gateway's time for an append. */
const APPEND_MS = 10_000;
/** After this long without a cosigned head that has it, a claim to have appended is a lie. */
const SUSPECT_MS = 5_000;

/** Whose events they are, and who is asked to append them. */
export interface AppenderOptions {
  /** The issuer of the events, for logs. */
  readonly name: string;
  readonly signer: Signer;
  readonly peers: readonly LedgerPeer[];
  readonly patienceMs: number;
  /** Ends all waiting. */
  readonly signal?: AbortSignal;
}

/** What is other than usual about an append. */
export interface Landing {
  /** Whose witnesses must be among the charter's quorum that signed the head that has it. */
  readonly owners?: readonly string[];
  readonly patienceMs?: number;
  /** Told what a gateway says of it, before it is cosigned: no more than its word. */
  readonly onAppended?: (status: 'accepted' | 'void') => void;
}

/** What one gateway claims. */
interface Claim {
  readonly seq: number;
  readonly code: string | undefined;
  readonly sentence: string | undefined;
  readonly since: number;
}

export class Appender {
  readonly #ports: LedgerPorts;
  readonly #options: AppenderOptions;
  /** Whose turn it is: a gateway that kept its word is asked first the next time. */
  #turn = 0;

  constructor(ports: LedgerPorts, options: AppenderOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Signs an event and appends it until it has landed. @throws CodedError as `bytes` */
  async event<K extends EventKind>(
    kind: K,
    said: Said<K>,
    landing: Landing = {},
  ): Promise<TreeHead> {
    const { signer, name } = this.#options;
    const { genesis, follower } = this.#ports;
    const body = placed(follower.state, signer.key, { kind, said });
    return this.bytes(kind, await signEvent(signer, name, { genesis, kind, body }), landing);
  }

  /**
   * Appends until our fold has the event under a head that the rule's witnesses signed, and answers
   * that head. While no head can be had, it waits and appends nothing again. A gateway's no is its
   * word, too: only when all of them say it is it believed.
   * @throws CodedError `event-void` or `join-void` with the code in its details; what the last
   * gateway said when all refuse; the last trouble when patience ends; `node-stopping`
   */
  async bytes(kind: EventKind, event: Uint8Array, landing: Landing = {}): Promise<TreeHead> {
    const { timers, crypto, follower } = this.#ports;
    const id = toHex(eventId(event, crypto));
    const bounds = { timers, ...this.#options, ...landing };
    const refusals = new Map<LedgerPeer, CodedError>();
    let claim: Claim | undefined;
    const appended = patiently(`the ${kind} on the ledger`, bounds, async () => {
      claim ??= await this.#append(event, landing, refusals);
      const rule = witnessRule(this.#ports, landing.owners);
      const head = await this.#followPast(claim, rule).catch(passing);
      const at = follower.state.seen.get(id);
      if (at !== undefined) return this.#signedPast(head, at, rule);
      if (head.size > claim.seq && follower.isAt(claim.seq, event)) throw voided(kind, claim);
      claim = undefined;
      this.#turn += 1;
      const message = `a gateway said that the ${kind} is on the ledger, and it is not`;
      throw attestedError('gateway-lied', message);
    });
    return appended.catch((error: unknown) => {
      // Whoever appends it again asks another one.
      if (claim !== undefined && isPassing(error)) this.#turn += 1;
      throw error;
    });
  }

  /** Asks the gateway whose turn it is; where it does not answer, it is the next one's. */
  async #append(
    event: Uint8Array,
    { onAppended }: Landing,
    refusals: Map<LedgerPeer, CodedError>,
  ): Promise<Claim> {
    const { timers } = this.#ports;
    const { peers } = this.#options;
    const peer = peers[this.#turn % peers.length] as LedgerPeer;
    try {
      const asked = peer.append(event);
      const answer = await within('a gateway', { timers, limitMs: APPEND_MS }, asked);
      onAppended?.(answer.status);
      const { seq, code, sentence } = answer;
      return { seq, code, sentence, since: timers.elapsed() };
    } catch (error) {
      this.#turn += 1;
      if (!isCoded(error) || mayPass(error)) throw error;
      refusals.set(peer, error);
      if (refusals.size === new Set(peers).size) throw error;
      throw attestedError('gateway-refused', error.message, { cause: error });
    }
  }

  /** To a head that includes the claimed position; to any head once the claim is too old. */
  async #followPast(claim: Claim, rule: WitnessRule): Promise<TreeHead> {
    const { timers } = this.#ports;
    const { peers } = this.#options;
    const limitMs = claim.since + this.#suspectMs() - timers.elapsed();
    if (limitMs <= 0) return followPast(this.#ports, peers, { seq: -1, rule });
    const following = followPast(this.#ports, peers, { seq: claim.seq, rule });
    return within('a cosigned head that has the event', { timers, limitMs }, following);
  }

  /**
   * A head that the rule's witnesses signed with the event at `seq` in it: our fold may have it
   * from one that others signed, and what an owner's own witness has not signed is no receipt.
   */
  #signedPast(head: TreeHead, seq: number, rule: WitnessRule): Promise<TreeHead> | TreeHead {
    return head.size > seq ? head : followPast(this.#ports, this.#options.peers, { seq, rule });
  }

  #suspectMs(): number {
    const { deadlines, witnesses } = this.#ports.follower.charter;
    return Math.min(SUSPECT_MS, deadlines.epochPhase / (4 * (witnesses.faulty + 1)));
  }
}

/** What gateways show may be of any form: none of it ends an append, another one is asked. */
function passing(error: unknown): never {
  if (!isCoded(error) || mayPass(error)) throw error;
  throw attestedError('gateway-lied', error.message, { cause: error });
}

/** `isPassing` as a plain question: what does not pass is a CodedError, too. */
function mayPass(error: CodedError): boolean {
  return isPassing(error);
}

function voided(kind: EventKind, { code, sentence }: Claim): CodedError {
  const details = { code: tidyCode(code) };
  const message = `the ledger has the ${kind} as void (${details.code}): ${sentence ?? ''}`;
  const own = kind === 'join' ? 'join-void' : 'event-void';
  return attestedError(own, message, { details });
}
