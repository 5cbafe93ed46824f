// The look-up of a user, on an `earmark dev` of its own.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertFits, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { conversations, edited, lookUp, reload, row, waitForCount, waitForNoDialog } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

const signedIn = () => openSignedIn(browser, service);
const undone = (page: Page) => page.getByRole("status").getByText("Undone");

/** Marks conversations with `peer0`, `peer1`, …. */
async function mark(user: string, count: number, bits: number[] = [1]): Promise<void> {
  for (let from = 0; from < count; from += 100) {
    const MarkItem = Array.from({ length: Math.min(100, count - from) }, (_, at) => ({
      OptType: 1,
      ContactItem: { Type: 1, To_Account: `peer${from + at}` },
      SetMark: bits,
    }));
    await service.call("recentcontact/mark_contact", { From_Account: user, MarkItem });
  }
}

async function bitsInStore(user: string, peer: string): Promise<unknown> {
  const body = { From_Account: user, ContactItem: [{ Type: 1, To_Account: peer }] };
  const found = (await service.call("recentcontact/search_contact_group", body)) as { ContactResultItem: { StandardMark: string }[] };
  return found.ContactResultItem[0]!.StandardMark;
}

test("the table shows set marks only, and stores a click, and takes it back if the service refuses it", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "user0");
  const stored = (id: string) => row(page, id).and(page.locator('[aria-busy="false"]')).waitFor();
  const user3 = row(page, "user3");
  assert.deepEqual(await user3.locator(".mark").allTextContents(), ["unread", "bit 40"]);
  const last = page.getByRole("group", { name: "Last change" });
  const change = await edited(page, "user3");
  await change.getByRole("button", { name: "favorite" }).click();
  await last.getByText("user3: set favorite").waitFor();
  assert.match(String(await bitsInStore("user0", "user3")), /1$/);
  await last.getByRole("button", { name: "Undo" }).click();
  await undone(page).waitFor();
  assert.match(String(await bitsInStore("user0", "user3")), /0$/);
  await change.getByRole("button", { name: "pin" }).click();
  await last.getByText("user3: pinned").waitFor();
  await (await edited(page, "user2")).getByRole("button", { name: "work" }).click();
  await last.getByText("user2: added to work").waitFor();
  await stored("user2");
  await reload(page);
  await page.getByRole("meter", { name: "Pinned" }).and(page.locator('[aria-valuenow="2"]')).waitFor();
  await page.getByRole("meter", { name: "In contact groups" }).and(page.locator('[aria-valuenow="3"]')).waitFor();

  // A custom mark may have 256 bytes.
  await (await edited(page, "user3")).getByRole("textbox", { name: "Custom mark of user3" }).fill("x".repeat(257));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").getByText(/must be 0 to 256 bytes/).waitFor();
  await user3.getByText("waiting for an answer").waitFor();
  await picture(page, "lookup-edit");

  await page.getByRole("searchbox", { name: "Filter" }).fill("waiting");
  await waitForCount(conversations(page), 1);
  await closed(watch);
});

test("the limits are those of the app, also for who may not read its settings", async () => {
  await service.admin("PATCH", "", { limits: { marked: 7, pinned: 3 } });
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "user0");
  await page.getByText("of 7", { exact: false }).waitFor();
  assert.equal(await page.getByRole("meter", { name: "Pinned" }).getAttribute("aria-valuemax"), "3");
  await service.admin("PATCH", "", { limits: { marked: 1000, pinned: 50 } });
  await closed(watch);
});

test("marks have the names that the app gives them", async () => {
  await service.native("PUT", "/marks/40", { name: "vip" });
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "user0");
  await row(page, "user3").getByText("vip", { exact: true }).waitFor();
  await (await edited(page, "user2")).getByRole("button", { name: "vip" }).click();
  await page.getByText("user2: set vip").first().waitFor();
  await service.native("DELETE", "/marks/40");
  await closed(watch);
});

test("facets have counts, matches are counted, and each page can be chosen", async () => {
  await mark("busy", 230);
  await mark("busy", 30, [0]);
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "busy");
  await page.getByRole("heading", { name: "230 conversations" }).waitFor();
  await page.getByRole("meter", { name: "Marked" }).and(page.locator('[aria-valuenow="230"]')).waitFor();
  await page.getByText("All of them are shown.").waitFor();
  const pages = page.getByRole("navigation", { name: "Pages" });
  await pages.getByRole("button", { name: "Next" }).click();
  await pages.getByText("of 5").waitFor();
  assert.equal(await pages.getByRole("combobox").inputValue(), "2");
  await pages.getByRole("combobox").selectOption("5");
  await waitForCount(conversations(page), 30);

  const facet = (name: string) => page.getByRole("group", { name: "Only with" }).getByRole("button", { name });
  await facet("favorite 30").click();
  await page.getByText("30 of 230 match.").waitFor();
  await facet("unread 30").waitFor();
  await page.getByRole("searchbox", { name: "Filter" }).fill("peer2");
  await page.getByText("11 of 230 match.").waitFor();
  await waitForCount(conversations(page), 11);
  await facet("favorite 11").waitFor();
  await picture(page, "lookup-facets");
  await page.goBack();
  await page.getByText("All of them are shown.").waitFor();
  await closed(watch);
});

test("a change of others shows up at once", async () => {
  await mark("watched", 1);
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "watched");
  await page.getByText("live", { exact: true }).waitFor();
  await mark("watched", 2, [0]);
  await row(page, "peer1").getByText("favorite").waitFor();
  await row(page, "peer0").getByText("favorite").waitFor();
  await closed(watch);
});

test("many are chosen, exported and changed together, and the change is taken back", async () => {
  await mark("many", 120);
  await mark("many", 1, [0]);
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "many");
  const bulk = page.getByRole("group", { name: "Chosen conversations" });
  await page.getByRole("checkbox", { name: "Choose all on this page" }).check();
  await bulk.getByText("50 chosen").waitFor();
  await bulk.getByRole("button", { name: "Choose all 120 that match" }).click();
  await bulk.getByText("120 chosen").waitFor();

  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export 120 chosen as CSV" }).click();
  const lines = (await readFile(await (await saved).path(), "utf8")).trim().split("\r\n");
  assert.equal(lines.length, 121);
  assert.match(lines[1]!, /^user,peer\d+,.*unread/);

  const isFavorite = async (peer: string) => /1$/.test(String(await bitsInStore("many", peer)));
  await bulk.getByRole("combobox", { name: "Mark" }).selectOption("favorite");
  await bulk.getByRole("button", { name: "Set mark" }).click();
  const last = page.getByRole("group", { name: "Last change" });
  await last.getByText("120 conversations: set favorite").waitFor();
  await page.getByRole("group", { name: "Only with" }).getByRole("button", { name: "favorite 120" }).waitFor();
  assert.deepEqual(await Promise.all(["peer0", "peer119"].map(isFavorite)), [true, true]);
  await picture(page, "lookup-many");
  await last.getByRole("button", { name: "Undo" }).click();
  await undone(page).waitFor();
  // What had the mark before keeps it.
  assert.deepEqual(await Promise.all(["peer0", "peer119"].map(isFavorite)), [true, false]);

  // A limit refuses some of them.
  await service.admin("PATCH", "", { limits: { pinned: 3 } });
  await bulk.getByRole("button", { name: "Pin", exact: true }).click();
  await last.getByText("3 conversations: pinned; 117 refused").waitFor();
  await page.getByRole("alert").getByRole("link", { name: "51012" }).first().waitFor();
  await service.admin("PATCH", "", { limits: { pinned: 50 } });
  await closed(watch);
});

test("the table is a list of blocks on a phone", async () => {
  const watch = await openSignedIn(browser, service, { viewport: { width: 390, height: 844 } });
  const { page } = watch;
  await lookUp(page, "user0");
  await assertFits(page);
  await conversations(page).first().scrollIntoViewIfNeeded();
  await picture(page, "lookup-phone");
  await closed(watch);
});

test("a user is exported, and erased once the id is typed, and the receipt is shown", async () => {
  for (const [owner, peer] of [["leaver", "friend"], ["friend", "leaver"]]) {
    const item = { OptType: 1, ContactItem: { Type: 1, To_Account: peer }, SetMark: [0] };
    await service.call("recentcontact/mark_contact", { From_Account: owner, MarkItem: [item] });
  }
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "leaver");
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export this user" }).click();
  const lines = (await readFile(await (await saved).path(), "utf8")).trim().split("\n");
  assert.equal(JSON.parse(lines[1]!).user.conversations[0].id, "friend");
  await page.getByRole("button", { name: "Erase this user" }).click();
  const dialog = page.getByRole("dialog", { name: "Erase this user?" });
  const erase = dialog.getByRole("button", { name: "Erase", exact: true });
  await dialog.getByRole("textbox", { name: "UserID" }).fill("leave");
  assert.equal(await erase.isDisabled(), true);
  await dialog.getByRole("textbox", { name: "UserID" }).fill("leaver");
  await erase.click();
  await page.getByText("is erased: 1 conversation, 1 list of another user.").waitFor();
  await waitForNoDialog(page);
  await lookUp(page, "friend");
  await page.getByRole("heading", { name: "0 conversations" }).waitFor();
  await closed(watch);
});

