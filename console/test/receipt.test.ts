import assert from "node:assert/strict";
import { test } from "node:test";
import { counted } from "../src/receipt.ts";

test("a receipt counts what was removed, and leaves out the rest", () => {
  assert.equal(counted({ users: 0, conversations: 0 }), "nothing was stored");
  assert.equal(counted({ users: 1, conversations: 1234, lists: 1, changes: 0 }), "1 user, 1,234 conversations, 1 list of another user");
  assert.equal(counted({ account: 1, contact_groups: 2, lists: 10 }), "1 account, 2 contact groups, 10 lists of other users");
});
