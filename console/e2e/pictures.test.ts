// The pictures that the documents show, in light and dark, on a wide screen and on a phone, with an `earmark dev` of their own.

import { test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { assertFits, closed, picture } from "./browser.ts";
import { openSignedIn, startForTests } from "./opened.ts";
import { lookUp, visit } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

/** Points of a line of the overview: one for each reading but the first. */
const READINGS = 4;

/** Gives user0 more to show than the demo app has. */
async function fill(): Promise<void> {
  for (const name of ["friends", "suppliers"]) await service.native("PUT", `/users/user0/groups/${name}`);
  const patches = [
    { set: ["unread"] },
    { set: ["favorite", "unread"], custom: "call back on Monday", add_to: ["suppliers"] },
    { set: ["collapsed"], add_to: ["friends"] },
    { set: ["favorite"], pinned: true, add_to: ["friends", "work"] },
    { set: ["hidden", 40] },
    { custom: "sent the offer", add_to: ["suppliers"] },
  ];
  const changes = Array.from({ length: 24 }, (_, at) => ({ type: at % 5 === 4 ? "group" : "user", id: at % 5 === 4 ? `@TGS#room${at}` : `user${at + 10}`, ...patches[at % patches.length] }));
  for (const change of changes.filter(({ type }) => type === "group")) {
    await service.call("group_open_http_svc/import_group", { GroupId: change.id, Type: "Public", Name: change.id });
  }
  await service.native("POST", "/users/user0/batch", { changes });
}

/** Some calls, of which a few are refused. */
async function call(times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    await service.call("recentcontact/get_contact_group", { From_Account: "user0", StartIndex: 0 });
    if (at % 4 === 0) await service.call("recentcontact/mark_contact", { From_Account: "user0", MarkItem: [] });
    if (at % 6 === 0) await service.call("recentcontact/mark_contact", { From_Account: "user0", MarkItem: [{ OptType: 7 }] });
  }
}

/** Takes the page in light and dark. On a phone, `shown` is what matters of it; otherwise it is taken from its top. */
async function taken(page: Page, name: string, shown?: Locator): Promise<void> {
  for (const [width, height, suffix] of [[1280, 1000, ""], [390, 844, "-phone"]] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.evaluate("scrollTo(0, 0)");
      if (suffix) await shown?.evaluate((element) => scrollTo(0, element.getBoundingClientRect().top - 60));
      await assertFits(page);
      await picture(page, `${name}-${colorScheme}${suffix}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 860 });
}

test("the look-up and the overview, as the documents show them", async () => {
  await fill();
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await lookUp(page, "user0");
  await page.getByText("live", { exact: true }).waitFor();
  await taken(page, "lookup", page.getByRole("group", { name: "Only with" }));

  await visit(page, "overview");
  const line = page.getByRole("img", { name: "Requests per second, the last five minutes" }).locator("polyline");
  const points = async () => ((await line.count()) === 0 ? 0 : (await line.getAttribute("points"))!.split(" ").length);
  for (let times = 10; (await points()) < READINGS; times += 7) {
    await call(times % 40);
    await page.waitForResponse(/metrics/);
  }
  await taken(page, "overview");
  for (const name of ["try", "apps", "codes"] as const) {
    await visit(page, name);
    await page.getByRole("heading", { level: 2 }).first().waitFor();
    await taken(page, name);
  }
  await closed(watch);
});
