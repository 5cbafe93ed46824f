// The overview, on an `earmark dev` of its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertFits, audit, closed } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { visit } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

const item = (To_Account: string) => ({ OptType: 1, ContactItem: { Type: 1, To_Account }, SetMark: [0] });

/** The cells of a row, without its head. */
const cells = (page: Page, table: string, row: string) =>
  page.getByRole("region", { name: table }).getByRole("row").filter({ has: page.getByRole("rowheader", { name: row, exact: true }) }).getByRole("cell");

/** Waits until a cell has a text. */
async function cell(page: Page, table: string, row: string, at: number, text: RegExp): Promise<void> {
  await cells(page, table, row).nth(at).filter({ hasText: text }).waitFor();
}

test("the overview shows health, rates, refusals by code, and each app", async () => {
  for (let times = 0; times < 3; times++) await service.call("recentcontact/mark_contact", { From_Account: "u", MarkItem: [item("p")] });
  for (let times = 0; times < 2; times++) await service.call("recentcontact/mark_contact", { From_Account: "u", MarkItem: [] });
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await visit(page, "overview");
  const health = page.getByRole("region", { name: "Health" });
  await health.getByText("ready", { exact: true }).waitFor();
  await health.getByText("answers", { exact: true }).waitFor();
  await health.getByText(/^earmark \d+\.\d+\.\d+, started/).waitFor();
  await cell(page, "Refused requests", "51006", 2, /^2$/);
  await cell(page, "Refused requests", "51006", 3, /^mark_contact$/);
  await cell(page, "Calls", "mark_contact", 2, /^2$/);

  // The rates follow with the second reading.
  await service.call("recentcontact/mark_contact", { From_Account: "u", MarkItem: [] });
  await cell(page, "Refused requests", "51006", 1, /^0\.\d+$|^[1-9]/);
  await cell(page, "Calls", "mark_contact", 4, /^under [\d.]+ ms$/);
  await cell(page, "Apps", "1400000001", 0, /^\d/);
  const tiles = page.getByRole("region", { name: "Rates" });
  await tiles.getByText(/^0\.[1-9]\d*$|^[1-9]/).first().waitFor();

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 390]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 860 });
      await assertFits(page);
      const findings = await audit(page, `overview, ${colorScheme}, ${width} wide`);
      assert.deepEqual(findings.filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
    }
  }
  await page.getByRole("link", { name: "51006" }).click();
  await page.getByRole("heading", { name: "51006", exact: true }).waitFor();
  // The readings are none of the calls of the tab.
  await visit(page, "calls");
  assert.equal(await page.getByText("/admin/v1/metrics").count(), 0);
  await closed(watch);
});
