// Which user to look up: those of before, and those whose ids begin as it was typed, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertFits, audit, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { lookUp, visit, waitForCount, waitForNoDialog } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

const found = (page: Page) => page.getByRole("region", { name: "Users found" });
const recent = (page: Page) => page.getByRole("navigation", { name: "Users looked up last" });

async function mark(users: string[]): Promise<void> {
  const item = { OptType: 1, ContactItem: { Type: 1, To_Account: "peer" }, SetMark: [0] };
  for (const user of users) await service.call("recentcontact/mark_contact", { From_Account: user, MarkItem: [item] });
}

test("users are found by how their ids begin, in steps", async () => {
  await mark(Array.from({ length: 25 }, (_, at) => `found${String(at).padStart(2, "0")}`));
  await mark(["found/<b>"]);
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await visit(page, "users");
  const input = page.getByRole("textbox", { name: "UserID" });
  await input.fill("fou");
  await found(page).getByText("20+ users with fou…").waitFor();
  await waitForCount(found(page).getByRole("link"), 20);
  await found(page).getByRole("button", { name: "More" }).click();
  await found(page).getByText("26 users with fou…").waitFor();
  await picture(page, "find-users");
  await input.fill("found0");
  await waitForCount(found(page).getByRole("link"), 10);
  await input.fill("missing");
  await found(page).getByText("No user with missing…").waitFor();
  await input.fill("found/");
  await found(page).getByRole("link", { name: "found/<b>" }).click();
  await page.getByRole("heading", { name: "1 conversation", exact: true }).waitFor();
  assert.equal(await input.inputValue(), "found/<b>");
  await found(page).waitFor({ state: "detached" });
  await page.setViewportSize({ width: 390, height: 844 });
  await input.fill("fou");
  await found(page).getByText("20+ users with fou…").waitFor();
  await assertFits(page);
  assert.deepEqual((await audit(page, "found users")).filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
  await picture(page, "find-users-phone");
  await closed(watch);
});

test("the tab remembers who was looked up, until the user is erased or the tab is closed", async () => {
  await mark(["first", "second"]);
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  for (const user of ["first", "second", "third"]) await lookUp(page, user);
  assert.deepEqual(await recent(page).getByRole("link").allTextContents(), ["second", "first"]);
  await page.reload();
  await recent(page).getByRole("link", { name: "first" }).click();
  await page.getByRole("heading", { name: "1 conversation", exact: true }).waitFor();
  await waitForCount(recent(page).getByRole("link"), 2);
  assert.deepEqual(await recent(page).getByRole("link").allTextContents(), ["third", "second"]);

  await page.getByRole("button", { name: "Erase this user" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase this user?" });
  await dialog.getByRole("textbox", { name: "UserID" }).fill("first");
  await dialog.getByRole("button", { name: "Erase", exact: true }).click();
  await page.getByText("is erased:").waitFor();
  await waitForNoDialog(page);
  await lookUp(page, "second");
  assert.deepEqual(await recent(page).getByRole("link").allTextContents(), ["third"]);
  const other = await page.context().newPage();
  await other.goto(service.link);
  await other.getByRole("button", { name: "Sign out" }).waitFor();
  await visit(other, "users");
  await found(other).waitFor();
  assert.equal(await recent(other).count(), 0);
  await closed(watch);
});
