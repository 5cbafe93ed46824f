import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsOf } from "../src/api/fetch.ts";
import { numberProblem } from "../src/limits.ts";

const RANGE = { min: 1, max: 2_147_483_647 };

test("a number is checked before it is sent, at its bounds", () => {
  for (const right of ["1", " 50 ", "2147483646", "2147483647"]) assert.equal(numberProblem(right, RANGE), null, right);
  for (const wrong of ["0", "-1", "1.5", "1e3", "", "x", "2147483648", "9999999999999999"]) {
    assert.equal(numberProblem(wrong, RANGE), "must be a whole number from 1 to 2,147,483,647", wrong);
  }
  assert.equal(numberProblem("0", { ...RANGE, min: 0 }), null);
});

test("at its field, a problem is said without the field's path", () => {
  assert.equal(wordsOf({ field: "admins[0]", problem: "admins[0]: must be shorter" }), "must be shorter");
  assert.equal(wordsOf({ field: "sdkappid", problem: "taken" }), "taken");
  assert.equal(wordsOf({ field: null, problem: "admins: x" }), "admins: x");
});
