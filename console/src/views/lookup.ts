// The state of the look-up: the user's conversations, and the changes that the user of the console makes.
//
// The page shows a change before the service has answered. Then it reads the conversation again. So the page shows what is
// stored, also if the service refused the change or the answer was lost.

import { computed, signal } from "@preact/signals";
import { call, type Failure } from "../api/call.ts";
import { contactItem, type Conversation, key, PATHS, readAll, readOne, type UserConversations } from "../api/conversations.ts";
import { session } from "../api/session.ts";
import type { JsonObject } from "../json.ts";
import { announcement } from "../parts/parts.tsx";

export const typed = signal("");
/** The user whose conversations are shown. */
export const user = signal("");
export const found = signal<UserConversations | null>(null);
export const isLoading = signal(false);
export const failure = signal<Failure | null>(null);
/** Time of the last read, in Unix seconds. */
export const readAt = signal(0);

/** Keys of the conversations with a change under way. */
export const pending = signal<ReadonlySet<string>>(new Set());
/** The failure of each conversation's last change. */
export const changeFailures = signal<ReadonlyMap<string, Failure>>(new Map());

/** Custom marks that are being edited, by user and conversation. */
const customDrafts = signal<ReadonlyMap<string, string>>(new Map());

/** `null` ends the editing. */
export function setCustomDraft(which: Conversation, text: string | null): void {
  const drafts = new Map(customDrafts.value);
  const place = `${user.value}\n${key(which)}`;
  if (text === null) drafts.delete(place);
  else drafts.set(place, text);
  customDrafts.value = drafts;
}

export function customDraft(which: Conversation): string | null {
  return customDrafts.value.get(`${user.value}\n${key(which)}`) ?? null;
}

export const contactGroupNames = computed(() => new Map(found.value?.contactGroups.map(({ id, name }) => [id, name])));

let lastLoad = 0;

export async function load(owner: string): Promise<void> {
  if (!session.value) return;
  const thisLoad = ++lastLoad;
  if (owner !== user.value) {
    found.value = null;
    changeFailures.value = new Map();
  }
  user.value = owner;
  isLoading.value = true;
  const result = await readAll(owner, session.value);
  if (thisLoad !== lastLoad) return;
  isLoading.value = false;
  failure.value = result.ok ? null : result.failure;
  if (result.ok) {
    found.value = result.found;
    readAt.value = Math.floor(Date.now() / 1000);
    announcement.value = `${result.found.conversations.length} conversations of ${owner}`;
  }
}

interface Change {
  path: string;
  body: JsonObject;
  /** The conversation after the change, to be shown before the service has answered. */
  apply: (before: Conversation) => Conversation;
}

/** Sends one change at a time, so that the read after a change never misses an earlier change. */
let queue: Promise<void> = Promise.resolve();

function enqueue(which: Conversation, change: Change): void {
  const owner = user.value;
  replace(which, change.apply);
  pending.value = new Set([...pending.value, key(which)]);
  queue = queue.then(() => save(owner, which, change));
}

async function save(owner: string, which: Conversation, change: Change): Promise<void> {
  const caller = session.value;
  const isShown = () => owner === user.value;
  if (!caller || !isShown()) return endPending(which);
  const result = await call(change.path, { From_Account: owner, ...change.body }, caller);
  const failures = new Map(changeFailures.value);
  failures.delete(key(which));
  if (!result.ok) failures.set(key(which), result.failure);
  if (isShown()) changeFailures.value = failures;
  announcement.value = result.ok ? "Stored" : `Not stored: ${result.failure.info}`;
  if (change.path === PATHS.pin && isShown() && !result.ok) await load(owner);
  const stored = await readOne(owner, which, caller);
  if (isShown() && stored) replace(which, (shown) => ({ ...stored, pinned: shown.pinned }));
  // The read failed as well. The state before the change is the last that the page knows.
  else if (isShown() && !result.ok) replace(which, () => which);
  endPending(which);
}

function endPending(which: Conversation): void {
  const rest = new Set(pending.value);
  rest.delete(key(which));
  pending.value = rest;
}

function replace(which: Conversation, by: (before: Conversation) => Conversation): void {
  if (!found.value) return;
  const conversations = found.value.conversations.map((one) => (key(one) === key(which) ? by(one) : one));
  found.value = { ...found.value, conversations };
}

export function toggleBit(which: Conversation, bit: number): void {
  const isOn = which.bits.includes(bit);
  const marks: JsonObject = isOn ? { ClearMark: [bit] } : { SetMark: [bit] };
  enqueue(which, {
    path: PATHS.mark,
    body: { MarkItem: [{ OptType: 1, ContactItem: contactItem(which), ...marks }] },
    apply: (one) => ({ ...one, bits: isOn ? one.bits.filter((other) => other !== bit) : [...one.bits, bit].sort((a, b) => a - b) }),
  });
}

export function setCustom(which: Conversation, custom: string): void {
  enqueue(which, {
    path: PATHS.mark,
    body: { MarkItem: [{ OptType: 2, ContactItem: contactItem(which), CustomMark: custom }] },
    apply: (one) => ({ ...one, custom }),
  });
}

export function togglePin(which: Conversation): void {
  const { id, type, pinned } = which;
  const item: JsonObject = type === 1 ? { Type: 1, To_Account: id } : { Type: 2, GroupId: id };
  enqueue(which, {
    path: PATHS.pin,
    body: { OperationType: pinned ? 2 : 1, RecentContactItem: [item] },
    apply: (one) => ({ ...one, pinned: !pinned }),
  });
}

export function toggleContactGroup(which: Conversation, contactGroup: number): void {
  const isIn = which.contactGroups.includes(contactGroup);
  enqueue(which, {
    path: PATHS.contactGroup,
    body: {
      UpdateType: 1,
      UpdateGroup: {
        UpdateGroupType: 2,
        OldGroupName: contactGroupNames.value.get(contactGroup) ?? "",
        ContactUpdateItem: [{ ContactOptType: isIn ? 2 : 1, ContactItem: contactItem(which) }],
      },
    },
    apply: (one) => ({
      ...one,
      contactGroups: isIn ? one.contactGroups.filter((other) => other !== contactGroup) : [...one.contactGroups, contactGroup],
    }),
  });
}
