// The state of the look-up: the user's conversations as they are stored.
//
// The client for devices keeps them, also when others change them, and shows a change of this page before the service has
// answered.

import { computed, signal } from "@preact/signals";
import { Client, type State } from "../../../clients/typescript/src/client.ts";
import { type BitNames, conversationsOf, type Failure, failureOf, readBitNames, type UserConversations } from "../api/conversations.ts";
import { UserApi } from "../api/native.ts";
import { fetchAs, session } from "../api/session.ts";
import { announcement } from "../parts/parts.tsx";
import { noteRecent } from "../recent.ts";
import type { Names } from "../table.ts";

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
/** The greatest number that the user may have, by the limit's name. Null until the service has said. */
export const limits = signal<Readonly<Record<string, number>> | null>(null);
/** The marks with names of the user's app. */
export const bitNames = signal<BitNames>(new Map());

/** Keys of the conversations that are chosen for a change of many. */
export const chosen = signal<ReadonlySet<string>>(new Set());
/** Keys of the conversations with a change under way. */
export const pending = signal<ReadonlySet<string>>(new Set());
/** The failure of each conversation's last change. */
export const changeFailures = signal<ReadonlyMap<string, Failure>>(new Map());

export const contactGroupNames = computed(() => new Map(found.value?.contactGroups.map(({ id, name }) => [id, name])));

const namesOfBits = computed(() => new Map([...bitNames.value].map(([name, bit]) => [bit, name])));

/** The bits that have a name, lowest first. */
export const namedBits = computed(() => [...namesOfBits.value.keys()].sort((a, b) => a - b));

export const names = computed<Names>(() => ({
  mark: (bit) => namesOfBits.value.get(bit) ?? `bit ${bit}`,
  contactGroup: (id) => contactGroupNames.value.get(id) ?? `contact group ${id}`,
}));

/** What changes of the page go through, while a user is shown. */
export interface Access {
  client: Client;
  api: UserApi;
}

let access: Access | null = null;
let lastLoad = 0;
/** Who was not shown before the last load. A reload, as after an erasure, makes no one recent. */
let newOwner: string | null = null;

export const currentAccess = (): Access | null => access;

/** Reads the conversations of a user, and keeps them up to date until `leave`. */
export async function load(owner: string): Promise<void> {
  const caller = session.value;
  if (!caller) return;
  access?.client.stop();
  const thisLoad = ++lastLoad;
  if (owner !== user.value) {
    newOwner = owner;
    found.value = null;
    limits.value = null;
    chosen.value = new Set();
    changeFailures.value = new Map();
  }
  user.value = owner;
  isLoading.value = true;
  pending.value = new Set();
  const api = new UserApi(caller, owner);
  const [ofBits, ofUser] = await Promise.all([readBitNames(caller), api.limits()]);
  if (thisLoad !== lastLoad) return;
  bitNames.value = ofBits;
  limits.value = ofUser;
  const userSig = () => session.value?.userSig ?? "";
  const opened = new Client({ url: "", app: caller.sdkAppId, user: owner, userSig, fetch: fetchAs(caller) });
  access = { client: opened, api };
  opened.subscribe((state) => {
    if (opened === access?.client) show(state, caller.sdkAppId, owner, (of) => conversationsOf(of, ofBits));
  });
  opened.start();
}

/** Stops to hear of changes. */
export function leave(): void {
  lastLoad++;
  access?.client.stop();
  access = null;
}

function show(state: State, app: number, owner: string, conversations: (of: State) => UserConversations): void {
  failure.value = state.problem && failureOf(state.problem);
  isLive.value = state.live;
  if (state.problem) isLoading.value = false;
  if (state.revision < 0) return;
  found.value = conversations(state);
  readAt.value = Math.floor(Date.now() / 1000);
  if (!isLoading.value) return;
  isLoading.value = false;
  if (newOwner === owner) noteRecent(app, owner);
  newOwner = null;
  announcement.value = `${found.value.conversations.length} conversations of ${owner}`;
}
