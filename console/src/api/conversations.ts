// A user's conversations as the console shows them, from what the client for devices holds.

import type { ConversationId, Conversation as Held, Mark, Patch, Problem, State } from "../../../clients/typescript/src/client.ts";
import { isObject } from "../json.ts";
import { bearer, fetchJson } from "./fetch.ts";
import type { Session } from "./session.ts";

export interface Conversation {
  type: 1 | 2;
  /** The other user, or the chat group. */
  id: string;
  bits: number[];
  custom: string;
  /** Ids of contact groups. */
  contactGroups: number[];
  pinned: boolean;
  /** Unix second of the last change of marks or contact groups. */
  changedAt: number;
}

export interface ContactGroup {
  id: number;
  name: string;
}

export interface UserConversations {
  conversations: Conversation[];
  contactGroups: ContactGroup[];
}

/** Which bit a name stands for. */
export type BitNames = ReadonlyMap<string, number>;

const STANDARD: BitNames = new Map([["favorite", 0], ["unread", 1], ["collapsed", 2], ["hidden", 3]]);

/** The names of the standard marks, and those that the app has given to bits of its own. */
export async function readBitNames({ sdkAppId, userSig }: Session): Promise<BitNames> {
  const answer = await fetchJson(`/v1/apps/${sdkAppId}/marks`, { headers: { authorization: bearer(userSig) } });
  const marks = answer.ok && isObject(answer.body) && Array.isArray(answer.body.marks) ? answer.body.marks : [];
  return new Map([...STANDARD, ...marks.filter(isObject).map(({ name, bit }) => [String(name), Number(bit)] as const)]);
}

export function conversationsOf({ conversations, groups }: State, names: BitNames): UserConversations {
  const ids = new Map(groups.map(({ name, id }) => [name, id]));
  return {
    conversations: [...conversations.values()].map((one) => conversation(one, names, ids)),
    contactGroups: groups.map(({ id, name }) => ({ id, name })),
  };
}

export function conversation(one: Held, names: BitNames, groupIds: ReadonlyMap<string, number>): Conversation {
  const bitOf = (mark: Mark) => (typeof mark === "number" ? [mark] : (names.get(mark) ?? []));
  return {
    type: one.type === "user" ? 1 : 2,
    id: one.id,
    bits: one.marks.flatMap(bitOf).sort((a, b) => a - b),
    custom: one.custom ?? "",
    contactGroups: one.groups.flatMap((name) => groupIds.get(name) ?? []),
    pinned: one.pinned,
    changedAt: one.changed_at === null ? 0 : Math.floor(Date.parse(one.changed_at) / 1000),
  };
}

export function idOf({ type, id }: Pick<Conversation, "type" | "id">): ConversationId {
  return { type: type === 1 ? "user" : "group", id };
}

export function key({ type, id }: Pick<Conversation, "type" | "id">): string {
  return `${type} ${id}`;
}

/** The change that takes a patch back, for a conversation that was so before it. Only what the patch changes is in it. */
export function inverse(before: Held, patch: Patch): Patch {
  const kept = <T>(all: T[], some: T[] = []) => some.filter((one) => all.includes(one));
  const fresh = <T>(all: T[], some: T[] = []) => some.filter((one) => !all.includes(one));
  return {
    set: kept(before.marks, patch.clear),
    clear: fresh(before.marks, patch.set),
    add_to: kept(before.groups, patch.remove_from),
    remove_from: fresh(before.groups, patch.add_to),
    ...(patch.custom !== undefined && { custom: before.custom }),
    ...(patch.pinned !== undefined && { pinned: before.pinned }),
  };
}

/** A patch for people: "set favorite, pinned". */
export function described({ set = [], clear = [], add_to = [], remove_from = [], custom, pinned }: Patch): string {
  const list = (what: string, names: readonly Mark[]) => (names.length > 0 ? [`${what} ${names.join(", ")}`] : []);
  return [
    ...list("set", set),
    ...list("cleared", clear),
    ...list("added to", add_to),
    ...list("removed from", remove_from),
    ...(custom === undefined ? [] : [custom === null ? "custom mark removed" : "custom mark changed"]),
    ...(pinned === undefined ? [] : [pinned ? "pinned" : "unpinned"]),
  ].join(", ");
}

/** Why a read or a change failed. */
export interface Failure {
  /** Null if the service sent no code. */
  code: number | null;
  /** The service's message. */
  info: string;
  /** The service may have made the change. */
  isInDoubt: boolean;
}

/** The database did not answer in time. The service may have made the change. */
const IN_DOUBT = "urn:earmark:problem:in-doubt";

export function failureOf({ code, message, type, status }: Problem): Failure {
  return { code: code ?? null, info: message, isInDoubt: type === IN_DOUBT || status === 0 };
}

/** How much of each limit the user has used, by the limit's name in the service. */
export function usage({ conversations, contactGroups }: UserConversations): Record<"marked" | "grouped" | "groups" | "pinned", number> {
  const count = (is: (one: Conversation) => boolean) => conversations.filter(is).length;
  return {
    marked: count((one) => one.bits.length > 0 || one.custom !== ""),
    grouped: count((one) => one.contactGroups.length > 0),
    groups: contactGroups.length,
    pinned: count((one) => one.pinned),
  };
}
