import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conversation, emptyOf, patched, type State } from "../../clients/typescript/src/client.ts";
import { conversationsOf, described, idOf, inverse, usage } from "../src/api/conversations.ts";
import type { Json } from "../src/json.ts";
import { results, verdict, verdictText } from "../src/api/call.ts";

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

test("the inverse of a patch takes back what it changed, and leaves what was so before", () => {
  const before = { ...emptyOf({ type: "user", id: "a" }), marks: ["favorite", 7], groups: ["work"], custom: "x" };
  const patch = { set: ["favorite", "unread"], clear: [7, 8], add_to: ["work", "friends"], remove_from: [], custom: null, pinned: true };
  const after = patched(before, patch);
  assert.deepEqual(after.marks, ["favorite", "unread"]);
  const back = patched(after, inverse(before, patch));
  assert.deepEqual([back.marks, back.groups, back.custom, back.pinned], [["favorite", 7], ["work"], "x", false]);
  assert.deepEqual(inverse(before, { pinned: true }), { set: [], clear: [], add_to: [], remove_from: [], pinned: false });
});

test("a patch is described in words", () => {
  assert.equal(described({ set: ["vip", 40], clear: ["unread"], add_to: ["work"] }), "set vip, 40, cleared unread, added to work");
  assert.equal(described({ custom: null, pinned: false }), "custom mark removed, unpinned");
});

test("a verdict tells a partly refused call from one that was refused or done", () => {
  const item = (code: number) => ({ ContactItem: { To_Account: "a" }, ResultCode: code, ResultInfo: "" });
  const answer = (...codes: number[]) => ({ ErrorCode: 0, ResultItem: codes.map(item) });
  assert.deepEqual(verdict(answer(0, 51008, 50001)), { kind: "partial", refused: 2, items: 3 });
  assert.equal(verdictText(verdict(answer(0, 51008, 50001))), "2 of 3 refused");
  assert.deepEqual(verdict(answer(0)), { kind: "ok" });
  assert.deepEqual(verdict({ ErrorCode: 0 }), { kind: "ok" });
  assert.deepEqual(verdict({ ErrorCode: 50002 }), { kind: "refused", code: 50002 });
  for (const other of [undefined, null, "<html>", {}, { ErrorCode: "0" }] as (Json | undefined)[]) assert.deepEqual(verdict(other), { kind: "unknown" });
});
