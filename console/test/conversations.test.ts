import assert from "node:assert/strict";
import { test } from "node:test";
import { contactItem, conversation, usage } from "../src/api/conversations.ts";
import { results } from "../src/api/call.ts";
import type { JsonObject } from "../src/json.ts";

test("conversation() reads every form that answers have", () => {
  const user = conversation({ Type: 1, To_Account: "user1", StandardMark: "101", ContactGroupId: [2], Timestamp: 7 });
  assert.deepEqual(user, { type: 1, id: "user1", bits: [0, 2], custom: "", contactGroups: [2], pinned: false, changedAt: 7 });
  const pinned = conversation({ Type: 2, GroupId: "@TGS#a", TopFlag: 1, MsgTime: 9 });
  assert.deepEqual([pinned.id, pinned.pinned, pinned.changedAt], ["@TGS#a", true, 0]);
  assert.deepEqual(contactItem(pinned), { Type: 2, ToGroupId: "@TGS#a" });
});

test("a custom mark counts as a marked conversation, a pin does not", () => {
  const items: JsonObject[] = [{ CustomMark: "x" }, { TopFlag: 1 }, { StandardMark: "1", ContactGroupId: [1] }];
  const conversations = items.map((item, at) => conversation({ Type: 1, To_Account: String(at), ...item }));
  const used = usage({ conversations, contactGroups: [{ id: 1, name: "work" }], isPartial: false });
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
