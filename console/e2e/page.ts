// Finds the parts of the page by their names, and waits for what the page does after an event.
//
// The page changes some time after a click: a new address, the end of a dialog and an answer of the service each arrive in
// a later task. So a test never reads the page right after a click. It waits for the state that it expects.

import type { Locator, Page } from "playwright-core";
import type { View } from "../src/route.ts";

/** Opens a view by its address: on a phone the links have shorter names. */
export function visit(page: Page, view: View): Promise<void> {
  return follow(page.getByRole("navigation", { name: "Views" }).locator(`a[data-view="${view}"]`));
}

export function choose(page: Page, call: string): Promise<void> {
  return follow(page.getByRole("link", { name: call, exact: true }));
}

/** Clicks a link, and waits until the page shows the link's target. */
async function follow(link: Locator): Promise<void> {
  await link.click();
  await link.and(link.page().locator("[aria-current=page]")).waitFor();
}

export const editor = (page: Page) => page.getByRole("textbox", { name: "Request body as JSON" });
export const answer = (page: Page) => page.getByRole("region", { name: "Answer", exact: true });
export const send = (page: Page) => page.getByRole("button", { name: "Send", exact: true });
export const conversations = (page: Page) => page.getByRole("table", { name: "Conversations" }).locator("tr.conversation");
export const row = (page: Page, id: string) => conversations(page).filter({ hasText: id });

/** Opens a row of the look-up to change it. Returns what changes it. */
export async function edited(page: Page, id: string): Promise<Locator> {
  const edit = page.getByRole("button", { name: `Edit ${id}`, exact: true });
  if ((await edit.getAttribute("aria-expanded")) === "false") await edit.click();
  return page.getByRole("group", { name: `Change ${id}`, exact: true });
}

/** Waits until the editor's text matches. The coloured copy behind the text field always has the same text. */
export async function waitForBody(page: Page, text: RegExp): Promise<void> {
  await page.locator(".editor pre").filter({ hasText: text }).waitFor();
}

/** Waits until a locator finds exactly this many elements. */
export async function waitForCount(locator: Locator, count: number): Promise<void> {
  if (count > 0) await locator.nth(count - 1).waitFor();
  await locator.nth(count).waitFor({ state: "detached" });
}

/** Closes a dialog, and waits until it has left the document. */
export async function close(dialog: Locator): Promise<void> {
  await dialog.getByRole("button", { name: "Close", exact: true }).click();
  await waitForNoDialog(dialog.page());
}

/** A closed dialog is hidden at once, and leaves the document later. By role, only visible dialogs are found. */
export async function waitForNoDialog(page: Page): Promise<void> {
  await page.locator("dialog").waitFor({ state: "detached" });
}

export async function lookUp(page: Page, user: string): Promise<void> {
  await visit(page, "users");
  await page.getByRole("textbox", { name: "UserID" }).fill(user);
  await reading(page, page.getByRole("button", { name: "Look up", exact: true }));
  await page.getByRole("heading", { name: /^\d+ conversations?$/ }).waitFor();
}

export async function reload(page: Page): Promise<void> {
  await reading(page, page.getByRole("button", { name: "Reload" }));
}

/**
 * Clicks a button that makes the page read a user's conversations, and waits until the page has read all of them.
 * Until then the page shows what it read before. Its reload button is disabled before the first request is sent.
 */
async function reading(page: Page, button: Locator): Promise<void> {
  const firstAnswer = page.waitForResponse((response) => /\/v1\/apps\/\d+\/users\/[^/]+$/.test(response.url()));
  await Promise.all([firstAnswer, button.click()]);
  await page.getByRole("button", { name: "Reload", disabled: false }).waitFor();
}
