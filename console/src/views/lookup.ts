// The user that is looked up: what is kept, and changes to it that are shown at once.
//
// A change is shown before the service has answered. Then the conversation is read again, so that what stands here is
// what is stored, whether the change was taken, refused, or lost on the way.

import { computed, signal } from "@preact/signals";
import { call, type Failure } from "../api/call.ts";
import { contactItem, type Conversation, type Kept, key, PATHS, readAll, readOne } from "../api/conversations.ts";
import { session } from "../api/session.ts";
import type { JsonObject } from "../json.ts";
import { announcement } from "../parts/parts.tsx";

export const typed = signal("");
/** Whose conversations are shown. */
export const user = signal("");
export const kept = signal<Kept | null>(null);
export const loading = signal(false);
export const failure = signal<Failure | null>(null);
/** When it was read, in Unix seconds. */
export const readAt = signal(0);

/** Per conversation: changes under way, and what the service said of the last one. */
export const pending = signal<ReadonlySet<string>>(new Set());
export const refused = signal<ReadonlyMap<string, Failure>>(new Map());

/** Custom marks that are being written, by whose and of what. */
export const customDrafts = signal<ReadonlyMap<string, string>>(new Map());

export function writeCustom(which: Conversation, text: string | null): void {
  const drafts = new Map(customDrafts.value);
  const place = `${user.value}\n${key(which)}`;
  if (text === null) drafts.delete(place);
  else drafts.set(place, text);
  customDrafts.value = drafts;
}

export function writtenCustom(which: Conversation): string | null {
  return customDrafts.value.get(`${user.value}\n${key(which)}`) ?? null;
}

export const groupNames = computed(() => new Map(kept.value?.groups.map(({ id, name }) => [id, name])));

let reading = 0;

export async function load(who: string): Promise<void> {
  if (!session.value) return;
  const mine = ++reading;
  if (who !== user.value) {
    kept.value = null;
    refused.value = new Map();
  }
  user.value = who;
  loading.value = true;
  const read = await readAll(who, session.value);
  if (mine !== reading) return;
  loading.value = false;
  failure.value = read.ok ? null : read.failure;
  if (read.ok) {
    kept.value = read.kept;
    readAt.value = Math.floor(Date.now() / 1000);
    announcement.value = `${read.kept.conversations.length} conversations of ${who}`;
  }
}

/** A change of one conversation: what is asked for, and how it looks once that is done. */
interface Change {
  path: string;
  body: JsonObject;
  shown: (before: Conversation) => Conversation;
}

/** One after the other: what is read after a change must not be older than the change before it. */
let queue: Promise<void> = Promise.resolve();

function make(which: Conversation, change: Change): void {
  const owner = user.value;
  replace(which, change.shown);
  pending.value = new Set([...pending.value, key(which)]);
  queue = queue.then(() => carryOut(owner, which, change));
}

async function carryOut(owner: string, which: Conversation, change: Change): Promise<void> {
  const who = session.value;
  const isShown = () => owner === user.value;
  if (!who || !isShown()) return settle(which);
  const done = await call(change.path, { From_Account: owner, ...change.body }, who);
  const failures = new Map(refused.value);
  failures.delete(key(which));
  if (!done.ok) failures.set(key(which), done.failure);
  if (isShown()) refused.value = failures;
  announcement.value = done.ok ? "Stored" : `Not stored: ${done.failure.info}`;
  if (change.path === PATHS.pin && isShown() && !done.ok) await load(owner);
  const now = await readOne(owner, which, who);
  if (isShown() && now) replace(which, (shown) => ({ ...now, pinned: shown.pinned }));
  // Nothing to be read either: what was there before is all that is known.
  else if (isShown() && !done.ok) replace(which, () => which);
  settle(which);
}

function settle(which: Conversation): void {
  const rest = new Set(pending.value);
  rest.delete(key(which));
  pending.value = rest;
}

function replace(which: Conversation, by: (before: Conversation) => Conversation): void {
  if (!kept.value) return;
  const conversations = kept.value.conversations.map((one) => (key(one) === key(which) ? by(one) : one));
  kept.value = { ...kept.value, conversations };
}

export function toggleBit(which: Conversation, bit: number): void {
  const isOn = which.bits.includes(bit);
  const marks: JsonObject = isOn ? { ClearMark: [bit] } : { SetMark: [bit] };
  make(which, {
    path: PATHS.mark,
    body: { MarkItem: [{ OptType: 1, ContactItem: contactItem(which), ...marks }] },
    shown: (one) => ({ ...one, bits: isOn ? one.bits.filter((other) => other !== bit) : [...one.bits, bit].sort((a, b) => a - b) }),
  });
}

export function setCustom(which: Conversation, custom: string): void {
  make(which, {
    path: PATHS.mark,
    body: { MarkItem: [{ OptType: 2, ContactItem: contactItem(which), CustomMark: custom }] },
    shown: (one) => ({ ...one, custom }),
  });
}

export function togglePin(which: Conversation): void {
  const { id, type, pinned } = which;
  const item: JsonObject = type === 1 ? { Type: 1, To_Account: id } : { Type: 2, GroupId: id };
  make(which, {
    path: PATHS.pin,
    body: { OperationType: pinned ? 2 : 1, RecentContactItem: [item] },
    shown: (one) => ({ ...one, pinned: !pinned }),
  });
}

export function toggleGroup(which: Conversation, group: number): void {
  const isIn = which.groups.includes(group);
  make(which, {
    path: PATHS.group,
    body: {
      UpdateType: 1,
      UpdateGroup: {
        UpdateGroupType: 2,
        OldGroupName: groupNames.value.get(group) ?? "",
        ContactUpdateItem: [{ ContactOptType: isIn ? 2 : 1, ContactItem: contactItem(which) }],
      },
    },
    shown: (one) => ({ ...one, groups: isIn ? one.groups.filter((other) => other !== group) : [...one.groups, group] }),
  });
}
