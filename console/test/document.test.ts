import assert from "node:assert/strict";
import { test } from "node:test";
import { readCalls, readCodes, resolved } from "../src/api/document.ts";
import { choicesOf, initial, kindOf } from "../src/form/initial.ts";
import { conversationFields } from "../src/form/conversation.tsx";
import type { Json } from "../src/json.ts";

test("resolved() follows references and merges parts, and members beside them win", () => {
  const root = { components: { schemas: { "A/b": { type: "string", description: "of A" } } } };
  const schema = resolved(root, { $ref: "#/components/schemas/A~1b", description: "here" });
  assert.deepEqual(schema, { type: "string", description: "here" });
  const whole = resolved(root, { allOf: [{ properties: { a: {} }, required: ["a"] }], properties: { b: {} } });
  assert.deepEqual([Object.keys(whole.properties!), whole.required], [["a", "b"], ["a"]]);
});

test("only paths below /v4 are calls", () => {
  const post = { operationId: "top", "x-codes": [50001, { code: 51012 }], requestBody: { content: {} } };
  const [call, ...rest] = readCalls({ paths: { "/v4/recentcontact/top": { post }, "/admin/v1/apps": { post } } });
  assert.deepEqual([call!.id, call!.family, call!.codes, rest], ["top", "recentcontact", [50001, 51012], []]);
  assert.deepEqual(readCalls(undefined), []);
});

test("families may use one code with different meanings", () => {
  const list: Json = [
    { code: 60010, family: "im_open_login_svc", level: "top" },
    { code: 60010, family: "group_open_http_svc", level: ["top", "item"] },
    { code: 60003, family: "all" },
  ];
  const codes = readCodes({ "x-error-codes": list });
  assert.deepEqual(codes.map(({ families, level }) => [families, level]), [
    [["im_open_login_svc"], "top"],
    [["group_open_http_svc"], "top, item"],
    [[], ""],
  ]);
});

test("a new field starts with the value that its schema suggests", () => {
  assert.equal(initial({ oneOf: [{ const: 1 }, { const: 2 }] }), 1);
  assert.equal(initial({ type: ["integer", "null"], minimum: 1 }), 1);
  assert.equal(initial({ type: "string" }), "");
  assert.deepEqual(initial({ type: "object", required: ["a"], properties: { a: { type: "array" }, b: {} } }), { a: [] });
  assert.deepEqual(initial({ type: "array", minItems: 1, items: { type: "string" } }), [""]);
  const either = { type: "object", anyOf: [{ required: ["a"] }, { required: ["b"] }], properties: { a: {}, b: {} } };
  assert.deepEqual(initial(either), { a: "" });
  assert.deepEqual(choicesOf({ enum: [1], "x-meanings": { 1: "add" } }), [{ value: 1, title: "add" }]);
  assert.equal(kindOf({ type: ["null", "string"] }), "string");
  assert.deepEqual(choicesOf({ enum: ["Public"] }), [{ value: "Public", title: "Public" }]);
});

test("three fields together name a conversation, with every name of the chat group's field", () => {
  assert.equal(conversationFields({ Type: {}, To_Account: {}, ToGroupid: {}, ToGroupId: {} })?.chatGroup, "ToGroupid");
  assert.equal(conversationFields({ Type: {}, To_Account: {}, GroupId: {} })?.chatGroup, "GroupId");
  assert.equal(conversationFields({ Type: {}, Name: {}, GroupId: {} }), null);
});
