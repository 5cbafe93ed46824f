// Contact groups in the look-up, and conversations that are added and forgotten, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertFits, audit, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { conversations, edited, lookUp, row, waitForCount } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

const panel = (page: Page) => page.getByRole("list", { name: "Contact groups" });
const last = (page: Page) => page.getByRole("group", { name: "Last change" });

/** The names of the contact groups as they are stored, in the user's order. */
async function stored(user: string): Promise<string[]> {
  const { groups } = (await service.native("GET", `/users/${user}`)) as { groups: { name: string }[] };
  return groups.map(({ name }) => name);
}

/** Waits until the page shows these contact groups. */
async function shown(page: Page, names: string[]): Promise<void> {
  for (const [at, name] of names.entries()) await panel(page).getByRole("listitem").nth(at).getByRole("link", { name, exact: true }).waitFor();
  await waitForCount(panel(page).getByRole("listitem"), names.length);
}

async function undo(page: Page): Promise<void> {
  await last(page).getByRole("button", { name: "Undo" }).click();
  await page.getByRole("status").getByText("Undone").waitFor();
}

test("contact groups are made, renamed, ordered and deleted, and each of it is taken back", async () => {
  await service.native("PUT", "/users/sorter/groups/work");
  await service.native("PATCH", "/users/sorter/conversations/user/boss", { add_to: ["work"], set: ["favorite"] });
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await lookUp(page, "sorter");
  await shown(page, ["work"]);
  const name = page.getByRole("textbox", { name: "New contact group" });
  await name.fill("a/b & c");
  await name.press("Enter");
  await shown(page, ["work", "a/b & c"]);
  assert.equal(await name.inputValue(), "");
  assert.deepEqual(await stored("sorter"), ["work", "a/b & c"]);

  await page.getByRole("button", { name: "Move a/b & c up" }).click();
  await last(page).getByText("a/b & c moved").waitFor();
  await shown(page, ["a/b & c", "work"]);
  assert.deepEqual(await stored("sorter"), ["a/b & c", "work"]);
  await undo(page);
  await shown(page, ["work", "a/b & c"]);

  await page.getByRole("button", { name: "Rename work" }).click();
  await page.getByRole("textbox", { name: "New name of work" }).fill("office");
  await panel(page).getByRole("button", { name: "Save" }).click();
  await shown(page, ["office", "a/b & c"]);
  await row(page, "boss").getByText("office").waitFor();
  await picture(page, "groups");
  await undo(page);
  await shown(page, ["work", "a/b & c"]);

  // The conversations of a deleted contact group stay, and come back into it.
  await page.getByRole("button", { name: "Delete work" }).click();
  await shown(page, ["a/b & c"]);
  await row(page, "boss").getByText("work").waitFor({ state: "detached" });
  await row(page, "boss").getByText("favorite").waitFor();
  await undo(page);
  await shown(page, ["work", "a/b & c"]);
  await row(page, "boss").getByText("work").waitFor();
  assert.deepEqual(await stored("sorter"), ["work", "a/b & c"]);

  // A contact group leads to its conversations.
  await panel(page).getByRole("link", { name: "a/b & c" }).click();
  await page.getByText("0 of 1 match.").waitFor();
  assert.deepEqual((await audit(page, "groups")).filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
  await closed(watch);
});

test("what is refused of a contact group is said at its input, and one that is there is not made anew", async () => {
  await service.native("PUT", "/users/refused/groups/work");
  await service.native("PUT", "/users/refused/groups/friends");
  const watch = await openSignedIn(browser, service, { viewport: { width: 390, height: 844 } });
  const { page } = watch;
  await lookUp(page, "refused");
  const name = page.getByRole("textbox", { name: "New contact group" });
  const isWrong = page.locator('[aria-invalid="true"]');
  await name.fill("x".repeat(33));
  await name.press("Enter");
  await name.and(isWrong).waitFor();
  await page.getByRole("alert").getByText(/32 bytes/).waitFor();
  assert.equal(await name.inputValue(), "x".repeat(33));
  await name.fill("work");
  await name.press("Enter");
  await page.getByRole("alert").getByText("The user has a contact group of this name already.").waitFor();
  assert.equal(await last(page).count(), 0, "nothing was made that could be taken back");

  await page.getByRole("button", { name: "Rename work" }).click();
  await page.getByRole("textbox", { name: "New name of work" }).fill("friends");
  await panel(page).getByRole("button", { name: "Save" }).click();
  await page.getByRole("textbox", { name: "New name of work" }).and(isWrong).waitFor();
  assert.deepEqual(await stored("refused"), ["work", "friends"]);
  await assertFits(page);
  await picture(page, "groups-refused-phone");
  await page.getByRole("switch", { name: "Edit" }).click();
  assert.equal(await page.getByRole("button", { name: /^(Delete|Move|Rename)/ }).count(), 0);
  await closed(watch);
});

test("a conversation is added and forgotten, and comes back as it was", async () => {
  await service.native("PUT", "/users/adder/groups/work");
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await lookUp(page, "adder");
  const add = page.getByRole("form", { name: "Add a conversation" });
  await page.getByText("Add a conversation", { exact: true }).click();
  const id = add.getByRole("textbox", { name: "New conversation" });
  await add.getByRole("button", { name: "Chat group" }).click();
  await id.fill("@TGS#room");
  await add.getByRole("combobox", { name: "Begins as" }).selectOption("unread");
  await add.getByRole("button", { name: "Add" }).click();
  await row(page, "@TGS#room").getByText("unread").waitFor();
  await last(page).getByText("@TGS#room: set unread").waitFor();
  assert.equal(await id.inputValue(), "");

  await service.native("PATCH", "/users/adder/conversations/group/%40TGS%23room", { add_to: ["work"], custom: "mine", pinned: true, set: [40] });
  await row(page, "@TGS#room").getByText("mine").waitFor();
  await (await edited(page, "@TGS#room")).getByRole("button", { name: "Forget this conversation" }).click();
  await waitForCount(conversations(page), 0);
  const { conversations: none } = (await service.native("GET", "/users/adder/conversations")) as { conversations: unknown[] };
  assert.deepEqual(none, []);
  await undo(page);
  for (const text of ["unread", "bit 40", "mine", "work"]) await row(page, "@TGS#room").getByText(text, { exact: true }).first().waitFor();
  await row(page, "@TGS#room").getByText("Pinned").waitFor();

  await add.getByRole("button", { name: "User", exact: true }).click();
  await id.fill("x".repeat(33));
  await add.getByRole("combobox", { name: "Begins as" }).selectOption("pinned");
  await add.getByRole("button", { name: "Add" }).click();
  await id.and(page.locator('[aria-invalid="true"]')).waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  await assertFits(page);
  await closed(watch);
});
