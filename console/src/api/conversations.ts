// Reads the conversations of a user, page by page.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { bitsOf } from "../marks.ts";
import { call, type Failure } from "./call.ts";
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
  /** Unix second of the last change of marks or contact groups; 0 if the conversation is only pinned. */
  changedAt: number;
}

export interface ContactGroup {
  id: number;
  name: string;
}

export interface UserConversations {
  conversations: Conversation[];
  contactGroups: ContactGroup[];
  /** The user has more pages than the console reads. */
  isPartial: boolean;
}

/** With the default limits and page size, a user has fewer pages than this. */
const PAGES_MAX = 60;

export const PATHS = {
  mark: "/v4/recentcontact/mark_contact",
  page: "/v4/recentcontact/get_contact_group",
  list: "/v4/recentcontact/get_list",
  search: "/v4/recentcontact/search_contact_group",
  pin: "/v4/recentcontact/top",
  contactGroup: "/v4/recentcontact/update_contact_group",
} as const;

export type ReadResult = { ok: true; found: UserConversations } | { ok: false; failure: Failure };

/** Reads everything stored for a user. One call lists marks and contact groups, another one lists pins. */
export async function readAll(user: string, session: Session): Promise<ReadResult> {
  const found = new Map<string, Conversation>();
  let contactGroups: ContactGroup[] = [];
  let start: Json = 0;
  let pages = 0;
  do {
    const page = await call(PATHS.page, { From_Account: user, StartIndex: start }, session);
    if (!page.ok) return page;
    for (const item of objects(page.body.ContactItem)) add(found, conversation(item));
    contactGroups = objects(page.body.GroupItem).map(contactGroup);
    start = page.body.CompleteFlag === 1 ? 0 : (page.body.NextStartIndex ?? 0);
  } while (start !== 0 && ++pages < PAGES_MAX);

  let after: JsonObject = {};
  let more = true;
  for (let page = 0; more && page < PAGES_MAX; page++) {
    const list = await call(PATHS.list, { From_Account: user, ...after }, session);
    if (!list.ok) return list;
    const items = objects(list.body.SessionItem);
    const pinned = items.filter((item) => item.TopFlag === 1);
    for (const item of pinned) {
      const read = conversation(item);
      const known = found.get(key(read));
      if (known) known.pinned = true;
      else add(found, { ...read, pinned: true });
    }
    // The list begins with the pinned conversations, so the first other one ends them.
    more = list.body.CompleteFlag !== 1 && pinned.length === items.length;
    const { TimeStamp = 0, StartIndex = 0, TopTimeStamp = 0, TopStartIndex = 0 } = list.body;
    after = { TimeStamp, StartIndex, TopTimeStamp, TopStartIndex };
  }
  return { ok: true, found: { conversations: [...found.values()], contactGroups, isPartial: start !== 0 || more } };
}

/** Reads one conversation. The answer does not say whether it is pinned, so the known pin stays. */
export async function readOne(user: string, which: Conversation, session: Session): Promise<Conversation | null> {
  const answer = await call(PATHS.search, { From_Account: user, ContactItem: [contactItem(which)] }, session);
  const item = answer.ok ? objects(answer.body.ContactResultItem)[0] : undefined;
  return item ? { ...conversation(item), pinned: which.pinned } : null;
}

export function key({ type, id }: Pick<Conversation, "type" | "id">): string {
  return `${type} ${id}`;
}

/** The conversation as an item of a request. */
export function contactItem({ type, id }: Pick<Conversation, "type" | "id">): JsonObject {
  return type === 1 ? { Type: 1, To_Account: id } : { Type: 2, ToGroupId: id };
}

export function conversation(item: JsonObject): Conversation {
  const isChatGroup = item.Type === 2;
  const id = isChatGroup ? (item.ToGroupId ?? item.GroupId) : item.To_Account;
  const contactGroups = Array.isArray(item.ContactGroupId) ? item.ContactGroupId.map(Number) : [];
  return {
    type: isChatGroup ? 2 : 1,
    id: String(id ?? ""),
    bits: bitsOf(String(item.StandardMark ?? "")),
    custom: String(item.CustomMark ?? ""),
    contactGroups,
    pinned: item.TopFlag === 1,
    changedAt: Number(item.Timestamp ?? 0),
  };
}

function add(to: Map<string, Conversation>, one: Conversation): void {
  to.set(key(one), one);
}

function contactGroup(item: JsonObject): ContactGroup {
  return { id: Number(item.GroupId), name: String(item.GroupName ?? "") };
}

function objects(list: Json | undefined): JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
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
