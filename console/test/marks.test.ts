import assert from "node:assert/strict";
import { test } from "node:test";
import { binaryOf, bitsOf, bytes } from "../src/marks.ts";

test("bits count from the right, and bit 63 is not lost", () => {
  assert.deepEqual(bitsOf(""), []);
  assert.deepEqual(bitsOf("1110"), [1, 2, 3]);
  assert.deepEqual(bitsOf(`1${"0".repeat(62)}1`), [0, 63]);
  for (const bits of [[], [0], [63], [0, 32, 63]]) assert.deepEqual(bitsOf(binaryOf(bits)), bits);
});

test("bytes() counts bytes of UTF-8", () => {
  assert.equal(bytes("abcd"), 4);
  assert.equal(bytes("é"), 2);
  assert.equal(bytes("😀".repeat(64)), 256);
});
