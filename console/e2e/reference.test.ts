// What the page says about codes, and a call as a program, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser } from "playwright-core";
import { assertFits, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { visit } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

test("each term of the search's own hint finds a code", async () => {
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await visit(page, "codes");
  const search = page.getByRole("searchbox", { name: "Search" });
  const hint = await search.getAttribute("placeholder");
  const terms = hint!.replace("…", "").split(", ");
  assert.ok(terms.length > 1);
  for (const term of terms) {
    await search.fill(term);
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    assert.equal(await page.getByText("No code matches the search.").count(), 0, term);
  }
  await closed(watch);
});

test("the call is shown as a program in each language, with the line that installs what it needs", async () => {
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  const panel = page.getByRole("region", { name: "The call as code" });
  for (const [language, install] of [
    ["Node.js", "npm install"],
    ["Python", "pip install"],
    ["Go", "go get"],
    ["Java", "implementation("],
    ["PHP", "composer require"],
  ] as const) {
    await panel.getByRole("button", { name: language, exact: true }).click();
    await panel.getByLabel(`The call in ${language}`).filter({ hasText: "SECRET_KEY" }).waitFor();
    await panel.getByRole("code").filter({ hasText: install }).waitFor();
    await assertFits(page);
  }
  await panel.scrollIntoViewIfNeeded();
  await picture(page, "snippet");
  await page.setViewportSize({ width: 390, height: 844 });
  await assertFits(page);
  await panel.scrollIntoViewIfNeeded();
  await picture(page, "snippet-phone");
  await closed(watch);
});
