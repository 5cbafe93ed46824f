import assert from "node:assert/strict";
import { test } from "node:test";
import { format, get, type Json, parseProblem, pieces, set } from "../src/json.ts";

const BODY: Json = {
  From_Account: "user0",
  MarkItem: [{ OptType: 3, ContactItem: { Type: 1, To_Account: "user1" }, SetMark: [0, 32], CustomMark: "abcd" }],
};

test("format() keeps short values on one line, and parses back to the value", () => {
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

test("set() changes only the value at its path", () => {
  const changed = set(BODY, ["MarkItem", 0, "SetMark"], [1]);
  assert.deepEqual(get(changed, ["MarkItem", 0, "SetMark"]), [1]);
  assert.deepEqual(set(changed, ["MarkItem", 0, "SetMark"], [0, 32]), BODY);
  assert.deepEqual(Object.keys(changed as object), ["From_Account", "MarkItem"]);
});

test("set() removes a value with undefined, and creates missing parents", () => {
  assert.deepEqual(set({ a: 1, b: 2 }, ["a"], undefined), { b: 2 });
  assert.deepEqual(set({ a: [1, 2, 3] }, ["a", 1], undefined), { a: [1, 3] });
  assert.deepEqual(set({}, ["a", 0, "b"], 7), { a: [{ b: 7 }] });
  assert.deepEqual(set({ a: 1 }, ["b"], undefined), { a: 1 });
});

test("__proto__ is an ordinary member", () => {
  const value = JSON.parse('{"__proto__": {"a": 1}}') as Json;
  assert.equal(get(set(value, ["__proto__", "a"], 2), ["__proto__", "a"]), 2);
  assert.equal(get({}, ["__proto__"]), undefined);
  assert.equal(get({}, ["constructor"]), undefined);
});

test("the coloured pieces joined are the text, for every text", () => {
  for (const text of [format(BODY), "", "{", '{"a', '"\\', "nul", "-", "{]1e+5tru\u202e😀", '{"a":"b\nc"}']) {
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
  }
  assert.deepEqual(
    pieces('{"a": "b", "c": [-1, true]}').filter(({ kind }) => kind !== "plain").map(({ kind, text }) => [kind, text]),
    [["name", '"a"'], ["text", '"b"'], ["name", '"c"'], ["number", "-1"], ["word", "true"]],
  );
});

test("parseProblem() finds the path in the service's message", () => {
  assert.deepEqual(parseProblem("MarkItem[3].SetMark[1]: 64 is not a bit (0..63)"), {
    path: ["MarkItem", 3, "SetMark", 1],
    problem: "64 is not a bit (0..63)",
  });
  assert.deepEqual(parseProblem("From_Account: not imported, or deleted")?.path, ["From_Account"]);
  assert.equal(parseProblem("the body is not JSON: EOF"), null);
});
