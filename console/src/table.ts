// What the table of a user's conversations shows: facets with counts, matches, order, and the same as CSV.

import type { Conversation } from "./api/conversations.ts";

/** The names of marks and contact groups, as the table shows them. */
export interface Names {
  mark: (bit: number) => string;
  contactGroup: (id: number) => string;
}

/** A property by which conversations can be filtered. */
export interface Facet {
  /** In the page's address. */
  id: string;
  title: string;
  is: (one: Conversation) => boolean;
}

export interface CountedFacet extends Facet {
  /** The conversations that would be shown with this facet as well. */
  count: number;
  isChosen: boolean;
}

export interface Wanted {
  /** Part of an id, of a custom mark, or of the name of a mark or contact group. */
  text: string;
  /** Ids of facets. A conversation must have all of them. */
  facets: readonly string[];
  order: Order;
}

export const ORDERS = { changed: "last changed first", first: "first marked first", name: "by id" };
export type Order = keyof typeof ORDERS;

/** The facets that any of the conversations has, and those that are chosen. */
export function facetsOf(all: readonly Conversation[], { mark, contactGroup }: Names, chosen: readonly string[]): Facet[] {
  // A facet of an address may be one that no conversation has any more.
  const numbers = (kind: string) => chosen.filter((id) => new RegExp(`^${kind}-\\d+$`).test(id)).map((id) => Number(id.slice(kind.length + 1)));
  const together = (some: number[], more: number[]) => [...new Set([...some, ...more])].sort((a, b) => a - b);
  const bits = together(all.flatMap((one) => one.bits), numbers("mark"));
  const groups = together(all.flatMap((one) => one.contactGroups), numbers("group"));
  const facets: Facet[] = [
    ...bits.map((bit) => ({ id: `mark-${bit}`, title: mark(bit), is: (one: Conversation) => one.bits.includes(bit) })),
    { id: "custom", title: "custom mark", is: (one) => one.custom !== "" },
    { id: "pinned", title: "pinned", is: (one) => one.pinned },
    { id: "users", title: "with users", is: (one) => one.type === 1 },
    { id: "chats", title: "in chat groups", is: (one) => one.type === 2 },
    ...groups.map((id) => ({ id: `group-${id}`, title: contactGroup(id), is: (one: Conversation) => one.contactGroups.includes(id) })),
  ];
  return facets.filter((facet) => chosen.includes(facet.id) || all.some(facet.is));
}

export interface Matches {
  shown: Conversation[];
  facets: CountedFacet[];
}

export function matches(all: readonly Conversation[], names: Names, { text, facets: chosen, order }: Wanted): Matches {
  const facets = facetsOf(all, names, chosen);
  const wanted = facets.filter(({ id }) => chosen.includes(id));
  const shown = all.filter((one) => hasText(one, names, text.toLowerCase()) && wanted.every(({ is }) => is(one)));
  return {
    shown: sorted(shown, order),
    facets: facets.map((facet) => ({ ...facet, count: shown.filter(facet.is).length, isChosen: chosen.includes(facet.id) })),
  };
}

function hasText(one: Conversation, names: Names, text: string): boolean {
  if (text === "") return true;
  const words = [one.id, one.custom, ...one.bits.map(names.mark), ...one.contactGroups.map(names.contactGroup)];
  return words.join("\n").toLowerCase().includes(text);
}

function sorted(list: Conversation[], by: Order): Conversation[] {
  if (by === "changed") return list.sort((a, b) => b.changedAt - a.changedAt);
  return by === "name" ? list.sort((a, b) => (a.id < b.id ? -1 : 1)) : list;
}

const COLUMNS = ["type", "id", "marks", "custom", "contact_groups", "pinned", "changed_at"];

export function csv(list: readonly Conversation[], { mark, contactGroup }: Names): string {
  const rows = list.map((one) => [
    one.type === 1 ? "user" : "group",
    one.id,
    one.bits.map(mark).join(" "),
    one.custom,
    one.contactGroups.map(contactGroup).join(" "),
    String(one.pinned),
    one.changedAt > 0 ? new Date(one.changedAt * 1000).toISOString() : "",
  ]);
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** A spreadsheet takes a text that begins so for a formula, and ids come from strangers. An apostrophe makes it a text. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
