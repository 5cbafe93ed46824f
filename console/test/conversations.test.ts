import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conversation, emptyOf, type State } from "../../clients/typescript/src/client.ts";
import { conversationsOf, idOf, usage } from "../src/api/conversations.ts";
import { results } from "../src/api/call.ts";

const NAMES = new Map([["favorite", 0], ["collapsed", 2], ["vip", 40]]);

function state(held: Conversation[]): State {
  const conversations = new Map(held.map((one) => [one.id, one]));
  return { conversations, groups: [{ name: "work", id: 2, conversations: 1 }], revision: 1, live: true, problem: null };
}

test("conversationsOf() turns names into bits and contact groups into ids", () => {
  const user = {
    ...emptyOf({ type: "user", id: "user1" }),
    marks: ["collapsed", "favorite", 7, "vip"],
    groups: ["work"],
    changed_at: "1970-01-01T00:00:07.000Z",
  };
  const pinned = { ...emptyOf({ type: "group", id: "@TGS#a" }), pinned: true, custom: "x" };
  const shown = conversationsOf(state([user, pinned]), NAMES);
  assert.deepEqual(shown.conversations, [
    { type: 1, id: "user1", bits: [0, 2, 7, 40], custom: "", contactGroups: [2], pinned: false, changedAt: 7 },
    { type: 2, id: "@TGS#a", bits: [], custom: "x", contactGroups: [], pinned: true, changedAt: 0 },
  ]);
  assert.deepEqual(shown.contactGroups, [{ id: 2, name: "work" }]);
  assert.deepEqual(shown.conversations.map(idOf), [{ type: "user", id: "user1" }, { type: "group", id: "@TGS#a" }]);
});

test("a custom mark counts as a marked conversation, a pin does not", () => {
  const id = (id: string) => emptyOf({ type: "user", id });
  const held = [{ ...id("a"), custom: "x" }, { ...id("b"), pinned: true }, { ...id("c"), marks: ["favorite"], groups: ["work"] }];
  const used = usage(conversationsOf(state(held), NAMES));
  assert.deepEqual(used, { marked: 2, grouped: 1, groups: 1, pinned: 1 });
});

test("results() finds the results in every answer that has them", () => {
  const item = { ContactItem: { Type: 1, To_Account: "a" }, ResultCode: 51008, ResultInfo: "full" };
  const found = [{ subject: "a", code: 51008, info: "full" }];
  assert.deepEqual(results({ ResultItem: [item] }), found);
  assert.deepEqual(results({ GroupResultItem: [{ GroupItem: {}, ResultItem: [item] }] }), found);
  assert.deepEqual(results({ UpdateGroupResult: { ContactResultItem: [item] } }), found);
  assert.deepEqual(results({ ContactItem: [] }), []);
});
