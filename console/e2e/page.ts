// Where things are on the page, by what they are called there.

import type { Locator, Page } from "playwright-core";
import type { View } from "../src/route.ts";

export function visit(page: Page, view: View): Promise<void> {
  // By the address: on a phone the names are shorter.
  return follow(page.getByRole("navigation", { name: "Views" }).locator(`a[href="#/${view}"]`));
}

export function choose(page: Page, call: string): Promise<void> {
  return follow(page.getByRole("link", { name: call, exact: true }));
}

/** The page hears of a new address some time after the click: until then it shows what it showed. */
async function follow(link: Locator): Promise<void> {
  await link.click();
  await link.and(link.page().locator("[aria-current=page]")).waitFor();
}

export const editor = (page: Page) => page.getByRole("textbox", { name: "Body of the request, as JSON" });
export const answer = (page: Page) => page.getByRole("region", { name: "Answer", exact: true });
export const send = (page: Page) => page.getByRole("button", { name: "Send", exact: true });
export const row = (page: Page, id: string) => page.getByRole("listitem").filter({ hasText: id });

export async function lookUp(page: Page, user: string): Promise<void> {
  await visit(page, "users");
  await page.getByRole("textbox", { name: "UserID" }).fill(user);
  await page.getByRole("button", { name: "Look up", exact: true }).click();
  await page.getByRole("heading", { name: /^\d+ conversations?$/ }).waitFor();
}
