import assert from "node:assert/strict";
import { test } from "node:test";
import type { App } from "../src/api/admin.ts";
import { adminsOf, differences, endsAccess, patchOf, undoOf } from "../src/app_draft.ts";

const APP: App = {
  name: "Shop",
  sdkAppId: 5,
  edition: "pro",
  directory: "open",
  disabled: false,
  userAccess: "none",
  admins: ["a", "b"],
  allowedOrigins: ["https://a.example"],
  keys: [],
  limits: { pinned: 50, marked: 1000 },
};

test("a draft with the same values has no differences, and saves nothing", () => {
  const draft = { edition: "pro", admins: ["b", "a"], allowedOrigins: ["https://a.example"], limits: { pinned: "50" } };
  assert.deepEqual(differences(APP, draft), []);
  assert.equal(patchOf(APP, draft), null);
  assert.deepEqual(adminsOf(APP, draft), { added: [], removed: [] });
});

test("the differences name what goes and what comes, and the patch has nothing else", () => {
  const draft = { edition: "trial", directory: "open", admins: ["b", "c"], allowedOrigins: [], limits: { pinned: "7", marked: "x" } };
  assert.deepEqual(
    differences(APP, draft).map(({ field, from, to }) => [field, from, to]),
    [
      ["edition", "pro", "trial"],
      ["admins", "a", null],
      ["admins", null, "c"],
      ["allowed_origins", "https://a.example", null],
      ["limits.pinned", "50", "7"],
      ["limits.marked", "1000", "x"],
    ],
  );
  assert.deepEqual(patchOf(APP, draft), { edition: "trial", allowed_origins: [], limits: { pinned: 7, marked: "x" } });
  assert.deepEqual(adminsOf(APP, draft), { added: ["c"], removed: ["a"] });
});

test("only the removal of the last admin ends the access", () => {
  assert.equal(endsAccess(APP, { admins: ["a"] }), null);
  assert.equal(endsAccess({ ...APP, admins: [] }, { admins: [] }), null);
  assert.match(endsAccess(APP, { admins: [] })!, /No admin remains/);
});

test("an undo brings back all settings as they were", () => {
  const now = { ...APP, edition: "trial", admins: ["b", "c"], limits: { pinned: 7, marked: 1000 } };
  const undo = undoOf(APP, now);
  assert.deepEqual(patchOf(now, undo), { edition: "pro", limits: { pinned: 50 } });
  assert.deepEqual(adminsOf(now, undo), { added: ["a"], removed: ["c"] });
});
