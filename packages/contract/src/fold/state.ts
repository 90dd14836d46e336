// SPDX-License-Identifier: Apache-2.0
// The fold's state: what every honest party computes from the same ordered events. Plain data in
// Maps, Sets and byte strings, keyed by hexadecimal ids, so that it can be printed, compared and
// cloned (`structuredClone`). Only the fold changes it; everyone else reads. Times are the ledger's
// clock in milliseconds. Its bytes are state-codec.ts's.
import type { CharterBody } from '../charter/body.ts';
import type { EventBody } from '../events/bodies.ts';

export interface FoldState {
  /** Events folded so far, void ones included: the next event's position. */
  seq: number;
  /** SHA-256 of the first charter's payload: no other founds this ledger. */
  genesis: Uint8Array;
  /** The charter in force. */
  charter: CharterBody | null;
  /** What the next amendment names it by; null before the first. */
  charterDigest: Uint8Array | null;
  /** Position at which each version came into force, from version 1 on. */
  charterSeqs: number[];
  /** The amendment that brought the charter in force, by event key; null for the first. */
  amendment: string | null;
  /** Amendments that wait for signatures, by event key: one an author. */
  amendments: Map<string, Amendment>;
  /** The newest version that each member has signed. */
  accepted: Map<string, number>;
  /** Items of the charter (charter/changes.ts) that a later version than 1 brought, by version. */
  gained: Map<string, number>;
  /** Names and keys that were the charter's once: they come back as nobody's. */
  former: { members: Set<string>; keys: Set<string> };
  /** Founders who have signed the first charter. */
  founders: Set<string>;
  /** Member to the ledger that it says goes on after this one (closing.ts). */
  closings: Map<string, string>;
  /** Where the ledger ended, and what goes on; null while it is open. */
  closed: { seq: number; next: string } | null;
  /** Newest tick by member id. */
  ticks: Map<string, { time: number; size: number }>;
  /** The time, which no single witness sets (time.ts); 0 at first; never goes back. */
  clock: number;
  /** The newest part for each root key, part, subject and evaluation number (collateral.ts). */
  collateral: Map<string, KeptPart>;
  joins: Map<string, Join>;
  /** Joins of keepers by machine, oldest first: few of each, but those in use (joins.ts). */
  machines: Map<string, string[]>;
  /** Signing keys of nodes, to their joins. */
  nodeKeys: Map<string, string>;
  /** By event id, what members want and has not begun to form; one a member (proposals.ts). */
  proposals: Map<string, Proposal>;
  epochs: Map<string, Epoch>;
  activeEpoch: string | null;
  formingEpoch: string | null;
  datasets: Map<string, Dataset>;
  /** Whose data is, or ever was, sealed to the running key: they say who may hold it. */
  keyOwners: KeyOwner[];
  tasks: Map<string, Task>;
  /** Bytes of events that are kept for each member (load.ts). */
  load: Map<string, number>;
  /** By run id; a run exists from its accepted join on. */
  runs: Map<string, Run>;
  /** Authors' newest accepted proposals of epochs and charters: by `<kind>/<member>`, event key. */
  wishes: Map<string, string>;
  /** What the clock ends, soonest first (due.ts). */
  due: Due[];
  /** Positions of accepted events, by id; of the newest `LANDING_MAX` entries. */
  seen: Map<string, number>;
  /** Likewise of void events that stay void (fold.ts). */
  voids: Map<string, number>;
  /** Ids of `seen` and `voids` by position: derived from them, and not in the state's bytes. */
  recent: Map<number, string>;
  /** What the newest entry made the state forget, for archives; not in the state's bytes. */
  forgotten: Forgotten[];
}

/** A task whose time is over, with its runs and their nodes; or joins that went by themselves. */
export interface Forgotten {
  task: [key: string, task: Task] | null;
  runs: [key: string, run: Run][];
  joins: [key: string, join: Join][];
}

/** Something that ends once the clock has reached `at`. */
export interface Due {
  at: number;
  what: 'run' | 'task';
  key: string;
}

export interface Amendment {
  author: string;
  body: EventBody<'amend'>;
  /** Digest of the charter that it carries. */
  digest: Uint8Array;
  seq: number;
  /** Members who have signed, by the identity keys that they have. */
  signed: Set<string>;
  /** New keys that have spoken for themselves, in hexadecimal. */
  shown: Set<string>;
}

/** A part of collateral and what its maker said of it. */
export interface KeptPart {
  body: EventBody<'collateral'>;
  rootKey: Uint8Array;
  subject: string;
  evaluation: number;
  issued: number;
  until: number;
  chainUntil: number;
  /** The member who brought the first part about this subject: its place counts as theirs. */
  by: string;
  event: string;
}

export interface Join {
  body: EventBody<'join'>;
  /** The node's signing key. */
  signer: Uint8Array;
  seq: number;
  /** The clock at its position. */
  at: number;
  /** Why the key generation shut this keeper out, if it did. */
  excluded: string | null;
}

/** An epoch that a member wants. */
export interface Proposal {
  /** The id of the member who proposed it. */
  member: string;
  joins: string[];
  from: string | null;
  /** The ledger's size that it dies at. */
  within: number;
  /** Ids of members who want it, the proposer's among them. */
  consents: Set<string>;
  /** The position at which it had what it needs of members. */
  agreed: number | null;
}

export type EpochPhase = 'commit' | 'reveal' | 'ack';
export type EpochStatus = 'forming' | 'active' | 'superseded' | 'ended';

/** How an attempt came out without a key. */
export interface EpochEnd {
  code: string;
  /** Joins that are proved to be at fault. */
  faults: string[];
  /** Joins by whose word alone it ended: perhaps rightly. */
  doubted: string[];
  wanted: string;
  got: string;
}

export interface Epoch {
  status: EpochStatus;
  /** Position at which it began to form. */
  seq: number;
  phase: EpochPhase;
  /** Joins in seat order: seat 1 is the first. */
  joins: string[];
  /** The epoch reshared, whose group key this one keeps. */
  from: string | null;
  threshold: number;
  /**
   * Seats that deal. For a new key all of this epoch's; in a reshare the seats *of `from`* whose
   * joins are named again here. Commits, reveals and complaints count dealers by these numbers.
   */
  dealers: number[];
  /** Whether one of its seats may still go to a spare without members' consent. */
  maySwap: boolean;
  /** Clock at which the phase's time is over. */
  deadline: number;
  commits: Map<number, Uint8Array>;
  /** By seat of this epoch, the key that deals to it are sealed to, in this attempt only. */
  receiving: Map<number, Uint8Array>;
  /** Event id, encoded reveal and the digests of the sealed deals, in seat order. */
  reveals: Map<number, { event: string; reveal: Uint8Array; deals: Uint8Array[] }>;
  acks: Map<number, { transcript: Uint8Array; groupKey: Uint8Array }>;
  /** Set when active. */
  groupKey: Uint8Array | null;
  transcript: Uint8Array | null;
  activeSeq: number | null;
  supersededSeq: number | null;
  /** The clock when it was superseded: its seats' receipts count for a while after. */
  supersededAt: number | null;
  /** Set when ended: the code, and the joins at fault (none when nobody is proved to be). */
  end: EpochEnd | null;
}

export interface DatasetVersion {
  /** The newest event of this version, and its body. */
  event: string;
  body: EventBody<'dataset'>;
  /** Bytes of that event. */
  size: number;
  seq: number;
  /** Whether its owner has ended it: nothing opens it any more. */
  withdrawn: boolean;
}

export interface KeyOwner {
  owner: string;
  /**
   * The charter that it had accepted when it left or its keys were replaced: whoever has the name
   * now has no say for data of before. Null while it is the member of that name.
   */
  accepted: number | null;
}

export interface Dataset {
  owner: string;
  /** Whether its owner ended it, left, or had its keys replaced: nothing opens it any more. */
  retired: boolean;
  newest: number;
  versions: Map<number, DatasetVersion>;
  /** Tasks with open runs that read it. */
  reading: Set<string>;
}

/** The policy that approvals want of later versions, and the position of the first of them. */
export interface Following {
  policy: Uint8Array;
  since: number;
}

/** What one person's approval granted; a newer one of the same person replaces it by input. */
export interface Grant {
  owner: string;
  /** Hexadecimal commitment. */
  person: string;
  /** By the task's inputs in their order: whether it covers every column wanted of that one. */
  whole: boolean[];
  /** Likewise: the `since` of what it says of later versions, 0 where it says nothing. */
  standing: number[];
  runs: number;
  /** Accepted joins that it has paid for. */
  used: number;
  from: number;
  until: number;
  /** What it is kept for: the inputs that it stands on and the open runs that it pays for. */
  holds: number;
}

export interface Task {
  proposer: string;
  body: EventBody<'task'>;
  seq: number;
  at: number;
  /** Bytes of the events that are kept with it: its own, and those of its runs. */
  size: number;
  /** The grants that stand or pay for an open run, by their positions. */
  approvals: Map<number, Grant>;
  /** Those that stand: by input (`<dataset>/<version>`), then by person, the position. */
  grants: Map<string, Map<string, number>>;
  /** By its inputs: what approvals say of later versions, the newest word of any owner. */
  following: (Following | null)[];
  /** Owner to its newest accepted approval or decline, by event key. */
  said: Map<string, string>;
  /** Owner to code: the newest decline that no later approval has lifted. */
  declines: Map<string, string>;
  /** Run ids in the order of their joins. */
  runs: string[];
  /** Those that have neither recorded nor failed. */
  open: Set<string>;
}

export type RunStatus = 'joined' | 'recorded' | 'released' | 'failed';

export interface Run {
  task: string;
  /** The versions that it reads, one an input of its task. */
  versions: number[];
  /** The join that opened the run: the one worker's, or the driver's. */
  join: string;
  /** Place to join: the worker alone at 1, or a distributed run's nodes so far. */
  roster: Map<number, string>;
  status: RunStatus;
  at: number;
  /** When the grants it was admitted under run out. */
  until: number;
  /** Clock past which a run that has recorded nothing has failed. */
  deadline: number;
  /** Whether the charter of then took simulated hardware, or its own was. */
  simulated: boolean;
  /** While it is open: the grants that pay for it, by their positions. */
  paid: number[];
  usage: { event: string; body: EventBody<'usage'>; seq: number; at: number } | null;
  releasedSeq: number | null;
  failure: string | null;
  /** Keeper join to refusal code. */
  refusals: Map<string, string>;
}

/** The state before the first event, of the one ledger that this genesis founds. */
export function emptyState(genesis: Uint8Array): FoldState {
  return {
    seq: 0,
    genesis,
    charter: null,
    charterDigest: null,
    charterSeqs: [],
    amendment: null,
    amendments: new Map(),
    accepted: new Map(),
    gained: new Map(),
    former: { members: new Set(), keys: new Set() },
    founders: new Set(),
    closings: new Map(),
    closed: null,
    ticks: new Map(),
    clock: 0,
    collateral: new Map(),
    joins: new Map(),
    machines: new Map(),
    nodeKeys: new Map(),
    proposals: new Map(),
    epochs: new Map(),
    activeEpoch: null,
    formingEpoch: null,
    datasets: new Map(),
    keyOwners: [],
    tasks: new Map(),
    load: new Map(),
    runs: new Map(),
    wishes: new Map(),
    due: [],
    seen: new Map(),
    voids: new Map(),
    recent: new Map(),
    forgotten: [],
  };
}

/** A copy that can be folded on without touching the original: to ask what an event would do. */
export function cloneState(state: FoldState): FoldState {
  return structuredClone(state);
}
