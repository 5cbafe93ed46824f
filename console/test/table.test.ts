import assert from "node:assert/strict";
import { test } from "node:test";
import type { Conversation } from "../src/api/conversations.ts";
import { csv, matches, type Names, type Wanted } from "../src/table.ts";

const NAMES: Names = { mark: (bit) => (bit === 0 ? "favorite" : `bit ${bit}`), contactGroup: (id) => (id === 1 ? "work" : "friends") };

function conversation(id: string, more: Partial<Conversation> = {}): Conversation {
  return { type: 1, id, bits: [], custom: "", contactGroups: [], pinned: false, changedAt: 0, ...more };
}

const ALL = [
  conversation("b", { bits: [0, 40], changedAt: 5, contactGroups: [1] }),
  conversation("a", { bits: [0], custom: "call back", changedAt: 9 }),
  conversation("@TGS#c", { type: 2, pinned: true, changedAt: 7, contactGroups: [1, 2] }),
];

function shown(wanted: Partial<Wanted>): { ids: string[]; counts: Record<string, number> } {
  const found = matches(ALL, NAMES, { text: "", facets: [], order: "first", ...wanted });
  return { ids: found.shown.map(({ id }) => id), counts: Object.fromEntries(found.facets.map(({ title, count }) => [title, count])) };
}

test("facets are those that some conversation has, with counts", () => {
  assert.deepEqual(shown({}).counts, {
    favorite: 2, "bit 40": 1, "custom mark": 1, pinned: 1, "with users": 2, "in chat groups": 1, work: 2, friends: 1,
  });
});

test("facets are combined, and the counts say what each further one would leave", () => {
  const { ids, counts } = shown({ facets: ["mark-0", "group-1"] });
  assert.deepEqual(ids, ["b"]);
  assert.deepEqual([counts.favorite, counts["bit 40"], counts["custom mark"], counts.friends], [1, 1, 0, 0]);
  assert.deepEqual(shown({ facets: ["group-9"] }).ids, []);
});

test("the text is looked for in ids, custom marks and names", () => {
  assert.deepEqual(shown({ text: "CALL" }).ids, ["a"]);
  assert.deepEqual(shown({ text: "friends" }).ids, ["@TGS#c"]);
  assert.deepEqual(shown({ text: "bit 4" }).ids, ["b"]);
});

test("the order is that of the list, of the changes, or of the ids", () => {
  assert.deepEqual(shown({ order: "first" }).ids, ["b", "a", "@TGS#c"]);
  assert.deepEqual(shown({ order: "changed" }).ids, ["a", "@TGS#c", "b"]);
  assert.deepEqual(shown({ order: "name" }).ids, ["@TGS#c", "a", "b"]);
});

test("CSV quotes what it must, and no cell is a formula", () => {
  const hostile = conversation('=HYPERLINK("x")', { custom: 'a,"b"\n', changedAt: 1, pinned: true });
  const lines = csv([...ALL.slice(0, 1), hostile], NAMES).split("\r\n");
  assert.deepEqual(lines, [
    "type,id,marks,custom,contact_groups,pinned,changed_at",
    "user,b,favorite bit 40,,work,false,1970-01-01T00:00:05.000Z",
    `user,"'=HYPERLINK(""x"")",,"a,""b""\n",,true,1970-01-01T00:00:01.000Z`,
    "",
  ]);
});
