// The log of the tab's calls, and the refused requests of an app, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser } from "playwright-core";
import { assertFits, audit, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { answer, editor, edited, lookUp, row, send, visit, waitForCount } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

test("an answer has its request id, and the log of the tab has each call, to be sent again", async () => {
  const watch = await openSignedIn(browser, service, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = watch;
  await visit(page, "calls");
  // Signing in asks the service.
  const lines = page.getByRole("region", { name: "Calls of this tab" }).getByRole("listitem");
  await waitForCount(lines, 1);
  await visit(page, "try");
  await editor(page).fill('{"From_Account": "user0", "MarkItem": [{"OptType": 7}]}');
  const response = page.waitForResponse(/mark_contact/);
  await send(page).click();
  const id = await (await response).headerValue("x-request-id");
  await answer(page).getByText(id!, { exact: true }).waitFor();
  await answer(page).getByRole("button", { name: "Copy the request id" }).click();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), id);

  await lookUp(page, "user0");
  await (await edited(page, "user2")).getByRole("button", { name: "hidden" }).click();
  await row(page, "user2").getByText("hidden").waitFor();
  await visit(page, "calls");
  const line = (name: RegExp) => lines.filter({ hasText: name }).first();
  await line(/\/v4\/recentcontact\/mark_contact50002/).waitFor();
  await line(/PATCH.*conversations\/user\/user2200/).waitFor();
  await line(/GET.*\/events200/).waitFor();
  // No path has a query, which would have the UserSig.
  for (const text of await lines.allTextContents()) assert.doesNotMatch(text, /usersig|eJ/);

  await line(/mark_contact/).getByRole("button").first().click();
  await line(/mark_contact/).getByText(id!, { exact: true }).waitFor();
  await line(/mark_contact/).getByLabel("Answer", { exact: true }).getByText("must be 1 (standard mark)").waitFor();
  await picture(page, "calls");
  await assertFits(page);
  const before = await lines.count();
  await line(/mark_contact/).getByRole("button", { name: "Send again" }).click();
  await waitForCount(lines, before + 1);

  // In its form the call can be corrected.
  await line(/mark_contact/).getByRole("button").first().click();
  await line(/mark_contact/).getByRole("button", { name: "Open in its form" }).click();
  assert.match(await editor(page).inputValue(), /"OptType": 7/);
  await visit(page, "calls");
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("This tab has sent no call yet.").waitFor();
  await closed(watch);
});

test("what changes data is sent again only in Edit", async () => {
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await page.getByRole("switch", { name: "Edit" }).click();
  await visit(page, "calls");
  const line = (name: RegExp) => page.getByRole("listitem").filter({ hasText: name }).first();
  for (const [name, isOff] of [[/mark_contact/, true], [/account_check/, false]] as const) {
    await line(name).getByRole("button").first().click();
    assert.equal(await line(name).getByRole("button", { name: "Send again" }).isDisabled(), isOff);
  }
  await closed(watch);
});

test("the refused requests of a user lead to the cause", async () => {
  const item = (To_Account: string) => ({ OptType: 1, ContactItem: { Type: 1, To_Account }, SetMark: [0] });
  await service.admin("PATCH", "", { limits: { marked: 1 } });
  await service.call("recentcontact/mark_contact", { From_Account: "full", MarkItem: [item("a"), item("b"), item("c")] });
  await service.admin("PATCH", "", { limits: { marked: 1000 } });
  for (let times = 0; times < 2; times++) await service.call("recentcontact/mark_contact", { From_Account: "other", MarkItem: [] });

  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await lookUp(page, "full");
  await page.getByRole("link", { name: "Refused requests of full" }).click();
  const reasons = page.getByRole("region", { name: /^Refused requests of app/ }).getByRole("listitem");
  await waitForCount(reasons, 1);
  await reasons.getByText("2 of 3 refused").waitFor();
  await reasons.getByRole("link", { name: "51008" }).waitFor();
  await reasons.getByText("at most 1 conversations can be marked").waitFor();
  await reasons.getByText(/raise the limit/).waitFor();

  await page.getByRole("textbox", { name: "UserID" }).fill("");
  const other = reasons.filter({ hasText: "other" });
  await other.getByText("2 times").waitFor();
  await other.getByText("MarkItem: must hold 1 to 100 items, got 0").waitFor();
  await picture(page, "refused");
  await page.setViewportSize({ width: 390, height: 844 });
  await assertFits(page);
  assert.deepEqual((await audit(page, "refused")).filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
  await picture(page, "refused-phone");
  await other.getByRole("link", { name: "other" }).click();
  await page.getByRole("heading", { name: "0 conversations" }).waitFor();
  await closed(watch);
});
