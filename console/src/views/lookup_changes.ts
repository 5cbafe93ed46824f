// The changes of a user's conversations that the page makes. Each can be taken back.

import { signal } from "@preact/signals";
import { type Mark, type Patch, Problem } from "../../../clients/typescript/src/client.ts";
import { type Conversation, described, type Failure, failureOf, idOf, inverse, key } from "../api/conversations.ts";
import { isEditing } from "../editing.ts";
import { announcement } from "../parts/parts.tsx";
import { offerUndo } from "../parts/undo.tsx";
import { type Access, bitNames, changeFailures, contactGroupNames, currentAccess, isLive, load, pending, user } from "./lookup.ts";

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

/** Changes a conversation, and offers to take the change back. */
export async function change(which: Pick<Conversation, "type" | "id">, patch: Patch): Promise<Failure | null> {
  const access = currentAccess();
  if (!access || !isEditing.value) return null;
  const before = access.client.get(idOf(which));
  const refused = await store(access, which, patch);
  if (refused) announcement.value = `Not stored: ${refused.info}`;
  else {
    offerUndo(`${which.id}: ${described(patch)}`, async () => {
      return (await store(access, which, inverse(before, patch)))?.info ?? null;
    });
  }
  return refused;
}

async function store(access: Access, which: Pick<Conversation, "type" | "id">, patch: Patch): Promise<Failure | null> {
  const place = key(which);
  pending.value = new Set([...pending.value, place]);
  const refused = await access.client.patch(idOf(which), patch).then(
    () => null,
    (error: unknown) => (error instanceof Problem ? failureOf(error) : { code: null, info: String(error), isInDoubt: true }),
  );
  if (access === currentAccess()) noteResults([[place, refused]]);
  return refused;
}

/** Removes all that is stored about a conversation, and offers to bring it back. */
export async function forget(which: Conversation): Promise<void> {
  const access = currentAccess();
  if (!access || !isEditing.value) return;
  const { type, id, marks, custom, groups, pinned } = access.client.get(idOf(which));
  const place = key(which);
  pending.value = new Set([...pending.value, place]);
  const answer = await access.api.call("DELETE", `/conversations/${type}/${encodeURIComponent(id)}`);
  const refused = answer.ok ? null : answer.failure;
  if (access === currentAccess()) {
    noteResults([[place, refused]]);
    if (!isLive.value) void load(access.api.user);
  }
  if (refused) announcement.value = `Not stored: ${refused.info}`;
  else {
    offerUndo(`${id} forgotten`, async () => {
      return (await store(access, which, { set: marks, custom, add_to: groups, pinned }))?.info ?? null;
    });
  }
}

/** Notes what became of changes, by the keys of their conversations. */
function noteResults(results: readonly (readonly [string, Failure | null])[]): void {
  const failures = new Map(changeFailures.value);
  const rest = new Set(pending.value);
  for (const [place, refused] of results) {
    if (refused) failures.set(place, refused);
    else failures.delete(place);
    rest.delete(place);
  }
  changeFailures.value = failures;
  pending.value = rest;
}

/** Changes many conversations in the same way. Returns how many were refused. */
export async function changeMany(which: readonly Conversation[], patch: Patch): Promise<number> {
  const access = currentAccess();
  if (!access || !isEditing.value) return 0;
  const before = which.map((one) => access.client.get(idOf(one)));
  const keys = which.map(key);
  pending.value = new Set([...pending.value, ...keys]);
  const failures = await access.api.batch(which.map((one) => ({ ...idOf(one), ...patch })));
  const done = before.filter((_, at) => failures[at] === null);
  const refused = which.length - done.length;
  if (access === currentAccess()) {
    noteResults(keys.map((place, at) => [place, failures[at] ?? null]));
    // Otherwise the stream tells what has changed.
    if (!isLive.value) void load(access.api.user);
  }
  const text = `${count(done.length)}: ${described(patch)}${refused > 0 ? `; ${refused} refused` : ""}`;
  if (done.length === 0) announcement.value = `Not stored: ${failures.find((one) => one !== null)?.info ?? ""}`;
  else {
    offerUndo(text, async () => {
      const back = await access.api.batch(done.map((one) => ({ type: one.type, id: one.id, ...inverse(one, patch) })));
      return back.find((one) => one !== null)?.info ?? null;
    });
  }
  return refused;
}

function count(conversations: number): string {
  return `${conversations} conversation${conversations === 1 ? "" : "s"}`;
}

/** The mark as answers show it: by its name, if it has one. */
export function markOf(bit: number): Mark {
  for (const [name, of] of bitNames.value) if (of === bit) return name;
  return bit;
}

export function toggleBit(which: Conversation, bit: number): void {
  void change(which, which.bits.includes(bit) ? { clear: [markOf(bit)] } : { set: [markOf(bit)] });
}

export function setCustom(which: Conversation, custom: string): Promise<Failure | null> {
  return change(which, { custom: custom || null });
}

export function togglePin(which: Conversation): void {
  void change(which, { pinned: !which.pinned });
}

export function toggleContactGroup(which: Conversation, contactGroup: number): void {
  const name = contactGroupNames.value.get(contactGroup);
  if (name === undefined) return;
  void change(which, which.contactGroups.includes(contactGroup) ? { remove_from: [name] } : { add_to: [name] });
}
