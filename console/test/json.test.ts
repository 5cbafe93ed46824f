import assert from "node:assert/strict";
import { test } from "node:test";
import { format, get, type Json, parseProblem, pieces, set } from "../src/json.ts";

const BODY: Json = {
  From_Account: "user0",
  MarkItem: [{ OptType: 3, ContactItem: { Type: 1, To_Account: "user1" }, SetMark: [0, 32], CustomMark: "abcd" }],
};

test("what is short stays on one line, and the text says the same as the value", () => {
  assert.equal(
    format(BODY),
    `{
  "From_Account": "user0",
  "MarkItem": [
    {
      "OptType": 3,
      "ContactItem": { "Type": 1, "To_Account": "user1" },
      "SetMark": [0, 32],
      "CustomMark": "abcd"
    }
  ]
}`,
  );
  for (const value of [BODY, {}, [], [[]], null, "a\n\"b\"", { a: { b: {} } }, { "": [null, true, -1.5] }]) {
    assert.deepEqual(JSON.parse(format(value)), value);
  }
});

test("a change touches its own place alone", () => {
  const changed = set(BODY, ["MarkItem", 0, "SetMark"], [1]);
  assert.deepEqual(get(changed, ["MarkItem", 0, "SetMark"]), [1]);
  assert.deepEqual(set(changed, ["MarkItem", 0, "SetMark"], [0, 32]), BODY);
  assert.deepEqual(Object.keys(changed as object), ["From_Account", "MarkItem"]);
});

test("undefined takes a member or an item out, and what is on the way is made", () => {
  assert.deepEqual(set({ a: 1, b: 2 }, ["a"], undefined), { b: 2 });
  assert.deepEqual(set({ a: [1, 2, 3] }, ["a", 1], undefined), { a: [1, 3] });
  assert.deepEqual(set({}, ["a", 0, "b"], 7), { a: [{ b: 7 }] });
  assert.deepEqual(set({ a: 1 }, ["b"], undefined), { a: 1 });
});

test("a member called __proto__ is a member", () => {
  const value = JSON.parse('{"__proto__": {"a": 1}}') as Json;
  assert.equal(get(set(value, ["__proto__", "a"], 2), ["__proto__", "a"]), 2);
  assert.equal(get({}, ["__proto__"]), undefined);
  assert.equal(get({}, ["constructor"]), undefined);
});

test("the coloured pieces are the text again, whatever it is", () => {
  for (const text of [format(BODY), "", "{", '{"a', '"\\', "nul", "-", "{]1e+5tru\u202e😀", '{"a":"b\nc"}']) {
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
  }
  assert.deepEqual(
    pieces('{"a": "b", "c": [-1, true]}').filter(({ kind }) => kind !== "plain").map(({ kind, text }) => [kind, text]),
    [["name", '"a"'], ["text", '"b"'], ["name", '"c"'], ["number", "-1"], ["word", "true"]],
  );
});

test("the path in the service's words leads to the field", () => {
  assert.deepEqual(parseProblem("MarkItem[3].SetMark[1]: 64 is not a bit (0..63)"), {
    path: ["MarkItem", 3, "SetMark", 1],
    problem: "64 is not a bit (0..63)",
  });
  assert.deepEqual(parseProblem("From_Account: not imported, or deleted")?.path, ["From_Account"]);
  assert.equal(parseProblem("the body is not JSON: EOF"), null);
});
