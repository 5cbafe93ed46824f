// What a user's conversations carry, read page by page and put together.

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
  /** Numbers of conversation groups. */
  groups: number[];
  pinned: boolean;
  /** Unix second of the last change of marks or groups; 0 where there is only a pin. */
  changedAt: number;
}

export interface ContactGroup {
  id: number;
  name: string;
}

export interface Kept {
  conversations: Conversation[];
  groups: ContactGroup[];
  /** Not all of it: there was more than is read at once. */
  cut: boolean;
}

/** Pages read in one go: more than the caps need at the usual page size. */
const PAGES_MAX = 60;

export const PATHS = {
  mark: "/v4/recentcontact/mark_contact",
  page: "/v4/recentcontact/get_contact_group",
  list: "/v4/recentcontact/get_list",
  search: "/v4/recentcontact/search_contact_group",
  pin: "/v4/recentcontact/top",
  group: "/v4/recentcontact/update_contact_group",
  forget: "/v4/recentcontact/delete",
} as const;

export type Read = { ok: true; kept: Kept } | { ok: false; failure: Failure };

/** All that is kept for a user: marks and groups from one call, pins from another. */
export async function readAll(user: string, session: Session): Promise<Read> {
  const found = new Map<string, Conversation>();
  let groups: ContactGroup[] = [];
  let start: Json = 0;
  let pages = 0;
  do {
    const page = await call(PATHS.page, { From_Account: user, StartIndex: start }, session);
    if (!page.ok) return page;
    for (const item of objects(page.body.ContactItem)) add(found, conversation(item));
    groups = objects(page.body.GroupItem).map(contactGroup);
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
    // Pinned ones come first.
    more = list.body.CompleteFlag !== 1 && pinned.length === items.length;
    const { TimeStamp = 0, StartIndex = 0, TopTimeStamp = 0, TopStartIndex = 0 } = list.body;
    after = { TimeStamp, StartIndex, TopTimeStamp, TopStartIndex };
  }
  return { ok: true, kept: { conversations: [...found.values()], groups, cut: start !== 0 || more } };
}

/** What is kept about one conversation now. Pins are not in that answer. */
export async function readOne(user: string, which: Conversation, session: Session): Promise<Conversation | null> {
  const answer = await call(PATHS.search, { From_Account: user, ContactItem: [contactItem(which)] }, session);
  const item = answer.ok ? objects(answer.body.ContactResultItem)[0] : undefined;
  return item ? { ...conversation(item), pinned: which.pinned } : null;
}

export function key({ type, id }: Pick<Conversation, "type" | "id">): string {
  return `${type} ${id}`;
}

/** How requests name it. */
export function contactItem({ type, id }: Pick<Conversation, "type" | "id">): JsonObject {
  return type === 1 ? { Type: 1, To_Account: id } : { Type: 2, ToGroupId: id };
}

export function conversation(item: JsonObject): Conversation {
  const isGroup = item.Type === 2;
  const id = isGroup ? (item.ToGroupId ?? item.GroupId) : item.To_Account;
  const groups = Array.isArray(item.ContactGroupId) ? item.ContactGroupId.map(Number) : [];
  return {
    type: isGroup ? 2 : 1,
    id: String(id ?? ""),
    bits: bitsOf(String(item.StandardMark ?? "")),
    custom: String(item.CustomMark ?? ""),
    groups,
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

/** How many places of each cap are taken. */
export function usage({ conversations, groups }: Kept): Record<"marked" | "grouped" | "groups" | "pinned", number> {
  const count = (is: (one: Conversation) => boolean) => conversations.filter(is).length;
  return {
    marked: count((one) => one.bits.length > 0 || one.custom !== ""),
    grouped: count((one) => one.groups.length > 0),
    groups: groups.length,
    pinned: count((one) => one.pinned),
  };
}
