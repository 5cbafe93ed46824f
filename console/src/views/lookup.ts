// The state of the look-up: the user's conversations, and the changes that the user of the console makes.
//
// The client for devices keeps the conversations as they are stored, also when others change them, and shows a change of this
// page before the service has answered.

import { computed, signal } from "@preact/signals";
import { Client, type Patch, Problem, type State } from "../../../clients/typescript/src/client.ts";
import { type Conversation, conversationsOf, type Failure, failureOf, idOf, key, readBitNames, type UserConversations } from "../api/conversations.ts";
import { noted } from "../api/fetch.ts";
import { session } from "../api/session.ts";
import { announcement } from "../parts/parts.tsx";

export const typed = signal("");
/** The user whose conversations are shown. */
export const user = signal("");
export const found = signal<UserConversations | null>(null);
export const isLoading = signal(false);
export const failure = signal<Failure | null>(null);
/** Whether changes of others show up at once. */
export const isLive = signal(false);
/** When the state was last read or heard of, in Unix seconds. */
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

let client: Client | null = null;
let lastLoad = 0;

/** Reads the conversations of a user, and keeps them up to date until `leave`. */
export async function load(owner: string): Promise<void> {
  const caller = session.value;
  if (!caller) return;
  client?.stop();
  const thisLoad = ++lastLoad;
  if (owner !== user.value) {
    found.value = null;
    changeFailures.value = new Map();
  }
  user.value = owner;
  isLoading.value = true;
  pending.value = new Set();
  const names = await readBitNames(caller);
  if (thisLoad !== lastLoad) return;
  const userSig = () => session.value?.userSig ?? "";
  const opened = (client = new Client({ url: "", app: caller.sdkAppId, user: owner, userSig, fetch: noted }));
  opened.subscribe((state) => {
    if (opened === client) show(state, owner, (of) => conversationsOf(of, names));
  });
  opened.start();
}

/** Stops to hear of changes. */
export function leave(): void {
  lastLoad++;
  client?.stop();
  client = null;
}

function show(state: State, owner: string, conversations: (of: State) => UserConversations): void {
  failure.value = state.problem && failureOf(state.problem);
  isLive.value = state.live;
  if (state.problem) isLoading.value = false;
  if (state.revision < 0) return;
  found.value = conversations(state);
  readAt.value = Math.floor(Date.now() / 1000);
  if (!isLoading.value) return;
  isLoading.value = false;
  announcement.value = `${found.value.conversations.length} conversations of ${owner}`;
}

async function change(which: Conversation, patch: Patch): Promise<void> {
  if (!client) return;
  const changed = client;
  pending.value = new Set([...pending.value, key(which)]);
  const refused = await changed.patch(idOf(which), patch).then(
    () => null,
    (error: unknown) => (error instanceof Problem ? failureOf(error) : { code: null, info: String(error), isInDoubt: true }),
  );
  announcement.value = refused ? `Not stored: ${refused.info}` : "Stored";
  if (changed !== client) return;
  const failures = new Map(changeFailures.value);
  failures.delete(key(which));
  if (refused) failures.set(key(which), refused);
  changeFailures.value = failures;
  const rest = new Set(pending.value);
  rest.delete(key(which));
  pending.value = rest;
}

export function toggleBit(which: Conversation, bit: number): void {
  void change(which, which.bits.includes(bit) ? { clear: [bit] } : { set: [bit] });
}

export function setCustom(which: Conversation, custom: string): void {
  void change(which, { custom: custom || null });
}

export function togglePin(which: Conversation): void {
  void change(which, { pinned: !which.pinned });
}

export function toggleContactGroup(which: Conversation, contactGroup: number): void {
  const name = contactGroupNames.value.get(contactGroup);
  if (name === undefined) return;
  void change(which, which.contactGroups.includes(contactGroup) ? { remove_from: [name] } : { add_to: [name] });
}
