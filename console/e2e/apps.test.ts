// Apps in the console, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { closed, picture, type Watch } from "./browser.ts";
import { openSignedIn, openSignedOut, startForTests } from "./opened.ts";
import { answer, close, send, visit, waitForCount, waitForNoDialog } from "./page.ts";
import type { Service } from "./service.ts";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

/** The panel of a new app. */
async function shown(app: number): Promise<Watch> {
  await service.createApp(app);
  const watch = await openSignedIn(browser, service);
  const { page } = watch;
  await visit(page, "apps");
  await page.getByRole("link", { name: String(app) }).click();
  await page.getByRole("heading", { name: String(app), exact: true }).waitFor();
  return watch;
}

/** Types the number of an app into the open dialog. Another number does not do. */
async function confirm(page: Page, app: number, action: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  const button = dialog.getByRole("button", { name: action, exact: true });
  const input = dialog.getByRole("textbox", { name: "SDKAppID" });
  for (const wrong of ["", "1400000001", ` ${app}`]) {
    await input.fill(wrong);
    assert.equal(await button.isDisabled(), true, wrong);
  }
  await input.fill(String(app));
  await button.click();
  await input.waitFor({ state: "detached" });
}

const save = (page: Page) => page.getByRole("button", { name: "Save", exact: true });
const undo = (page: Page) => page.getByRole("group", { name: "Last change" }).getByRole("button", { name: "Undo" });

test("an app is created, and its key signs in without being sent or kept", async () => {
  const watch = await openSignedOut(browser, service, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = watch;
  await visit(page, "apps");
  await page.getByRole("button", { name: "New app" }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Secret key of 1400000077" });
  const key = (await dialog.getByRole("code").textContent())!;
  await dialog.getByRole("button", { name: "Copy the secret key" }).click();
  await dialog.getByText("Copied", { exact: true }).waitFor();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), key);
  await close(dialog);
  const panel = page.getByRole("heading", { name: "1400000077", exact: true });
  await panel.waitFor();
  assert.ok(!(await page.content()).includes(key), "the secret key is still in the document");

  // The page makes the UserSig: no request has the key.
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url() + (request.postData() ?? "") + JSON.stringify(request.headers())));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByLabel("Secret key", { exact: true }).fill(key);
  await page.getByRole("dialog").getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await waitForNoDialog(page);
  await visit(page, "try");
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  assert.ok(requests.some((request) => request.includes("/v4/recentcontact/")), "the call is not among the requests");
  assert.ok(!requests.some((request) => request.includes(key)), "a request has the secret key");
  const kept = (await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")) as string;
  const [local, { "earmark-places": _, ...tab }, cookie] = JSON.parse(kept) as [object, Record<string, string>, string];
  assert.deepEqual([local, tab, cookie], [{ "earmark-theme": "system" }, { "earmark-dev-token": service.token }, ""]);
  assert.doesNotMatch(page.url(), /usersig|eJ/);

  // curl has a placeholder until the user asks for the UserSig.
  const curl = page.getByLabel("The call in curl");
  await curl.filter({ hasText: /usersig='"\$USERSIG"'/ }).waitFor();
  await page.getByRole("checkbox", { name: /Include my UserSig/ }).check();
  await curl.filter({ hasText: /usersig=eJ/ }).waitFor();

  await page.context().close();
});

test("what is refused of a new app is said at its field, in words", async () => {
  const { page } = await openSignedIn(browser, service);
  await visit(page, "apps");
  await page.getByRole("button", { name: "New app" }).click();
  const dialog = page.getByRole("dialog", { name: "New app" });
  const field = (name: string) => dialog.getByRole("textbox", { name });
  const refused = async (input: Locator, words: string) => {
    await dialog.getByRole("button", { name: "Create", exact: true }).click();
    await input.and(page.locator('[aria-invalid="true"]')).waitFor();
    assert.equal(await dialog.getByRole("alert").textContent(), words);
    assert.equal(await dialog.locator('[aria-invalid="true"]').count(), 1);
  };
  await field("SDKAppID").fill("1400000001");
  await refused(field("SDKAppID"), "there is an app of this number already");
  await field("SDKAppID").fill("-1");
  await refused(field("SDKAppID"), "must be a positive integer");
  await field("SDKAppID").fill("1400000081");
  await field("Admin").fill("x".repeat(256));
  await refused(field("Admin"), "must be 1 to 255 bytes of UTF-8, got 256");
  await picture(page, "new-app-refused");
  await page.context().close();
});

test("a limit has a unit, and a number that it cannot have is not sent", async () => {
  const app = 1400000082;
  const watch = await shown(app);
  const { page } = watch;
  const limits = page.getByRole("region", { name: "Limits" });
  for (const name of Object.keys((await service.admin("GET", "", undefined, app)).limits as object)) {
    const input = limits.getByRole("textbox", { name: name.replaceAll("-", " "), exact: true });
    const about = await input.evaluate((element) => document.getElementById(element.getAttribute("aria-describedby") ?? "")?.textContent);
    assert.match(about ?? "", /^(.+) · usually [\d,]+$/, name);
  }
  const pinned = limits.getByRole("textbox", { name: "pinned", exact: true });
  for (const wrong of ["0", "-1", "1.5", "many", "", "2147483648"]) {
    await pinned.fill(wrong);
    await pinned.and(page.locator('[aria-invalid="true"]')).waitFor();
    await limits.getByText("must be a whole number from 1 to 2,147,483,647").waitFor();
    await page.getByText("Correct first: Limit pinned.").waitFor();
    assert.equal(await save(page).isDisabled(), true, wrong);
  }
  await picture(page, "limit-wrong");
  await limits.getByRole("textbox", { name: "calls per second" }).fill("0");
  await pinned.fill("2147483647");
  await save(page).click();
  await page.getByText(`Saved 2 changes of app ${app}`).first().waitFor();
  await closed(watch);
});

test("an admin that the service does not take is marked in the list", async () => {
  const { page } = await shown(1400000083);
  const admin = page.getByRole("textbox", { name: "New admin" });
  for (const name of ["fine", "y".repeat(256)]) {
    await admin.fill(name);
    await admin.press("Enter");
  }
  await save(page).click();
  await admin.and(page.locator('[aria-invalid="true"]')).waitFor();
  await page.getByText(`${"y".repeat(256)}: must be 1 to 255 bytes of UTF-8, got 256`).waitFor();
  await page.locator("li.tag.refused").filter({ hasText: "yyy" }).waitFor();
  assert.equal(await page.locator("li.tag.refused").count(), 1);
  await page.getByRole("region", { name: "1 unsaved change" }).getByText("Not saved: Admin must be 1 to 255 bytes of UTF-8, got 256").waitFor();
  await page.context().close();
});

test("an address with an app that does not exist shows no other app", async () => {
  const { page } = await openSignedIn(browser, service);
  await page.goto(`${service.origin}/console#/apps/5`);
  await page.getByText("There is no app 5.").waitFor();
  assert.equal(await page.getByRole("heading", { name: "Limits" }).count(), 0);
  await page.context().close();
});

test("what failed while the service was away is not shown once it is back", async () => {
  const { page } = await shown(1400000084);
  await service.stop();
  await page.getByRole("button", { name: "Rotate key" }).click();
  const problems = page.getByRole("alert").getByText("Cannot reach the service.");
  await waitForCount(problems, 2);
  await service.startAgain();
  await waitForCount(problems, 0);
  await page.context().close();
});

test("changes wait in a save bar that shows them, and an undo brings everything back", async () => {
  const app = 1400000078;
  const watch = await shown(app);
  const { page } = watch;
  const before = await service.admin("GET", "", undefined, app);
  const edition = page.getByRole("combobox", { name: "Edition" });

  // The keyboard changes a select while one looks through it.
  await edition.press("ArrowUp");
  await edition.press("ArrowUp");
  await page.getByRole("region", { name: "1 unsaved change" }).waitFor();
  assert.deepEqual(await service.admin("GET", "", undefined, app), before);
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByRole("region", { name: /unsaved/ }).waitFor({ state: "detached" });
  assert.equal(await edition.inputValue(), "premium");

  await edition.selectOption("trial");
  await page.getByRole("combobox", { name: "User access" }).selectOption("read");
  await page.getByRole("textbox", { name: "New admin" }).fill("second");
  await page.getByRole("button", { name: "Add", exact: true }).first().click();
  await page.getByRole("textbox", { name: "New origin" }).fill("https://chat.example.com");
  await page.getByRole("button", { name: "Add", exact: true }).last().click();
  await page.getByRole("textbox", { name: "pinned", exact: true }).fill("7");
  const bar = page.getByRole("region", { name: "5 unsaved changes" });
  for (const text of ["Edition: premium → trial", "User access: none → read", "Admin: second", "Allowed origin: https://chat.example.com", "Limit pinned: 50 → 7"]) {
    await bar.getByText(text).waitFor();
  }
  await picture(page, "save-bar");
  await visit(page, "codes");
  await visit(page, "apps");
  await page.getByRole("link", { name: String(app) }).click();
  assert.deepEqual(await service.admin("GET", "", undefined, app), before);
  await save(page).click();
  // The bar has another name once the first of the requests is answered.
  await page.getByText(`Saved 5 changes of app ${app}`).first().waitFor();
  await bar.waitFor({ state: "detached" });
  const after = await service.admin("GET", "", undefined, app);
  assert.deepEqual([after.edition, after.user_access, after.admins], ["trial", "read", ["administrator", "second"]]);
  assert.deepEqual([after.allowed_origins, (after.limits as Record<string, number>).pinned], [["https://chat.example.com"], 7]);
  await picture(page, "undo");

  await undo(page).click();
  await page.getByRole("status").getByText("Undone").waitFor();
  assert.deepEqual(await service.admin("GET", "", undefined, app), before);
  await closed(watch);
});

test("what is refused stays in the save bar, with the service's words at its field", async () => {
  const { page, offences } = await shown(1400000079);
  const origin = page.getByRole("textbox", { name: "New origin" });
  await origin.fill("chat.example.com");
  await origin.press("Enter");
  await save(page).click();
  await origin.and(page.locator('[aria-invalid="true"]')).waitFor();
  await page.getByRole("region", { name: "1 unsaved change" }).getByText(/Not saved: .*https?:/).waitFor();
  await page.getByRole("button", { name: "Remove chat.example.com" }).click();
  await page.getByRole("region", { name: /unsaved/ }).waitFor({ state: "detached" });
  await page.context().close();
  assert.deepEqual(offences, ["console: Failed to load resource: the server responded with a status of 400 (Bad Request)"]);
});

test("the last admin, a key and the app end only once the app's number is typed", async () => {
  const app = 1400000080;
  const watch = await shown(app);
  const { page } = watch;
  await page.getByRole("button", { name: "Remove administrator" }).click();
  await save(page).click();
  await page.getByText("No admin remains").waitFor();
  await close(page.getByRole("dialog"));
  assert.deepEqual((await service.admin("GET", "", undefined, app)).admins, ["administrator"]);
  await save(page).click();
  await confirm(page, app, "Save");
  await page.getByText("Without an admin, no backend can call").waitFor();
  await undo(page).click();
  await page.getByRole("button", { name: "Remove administrator" }).waitFor();

  // The older key stays valid, so the first rotation ends nothing.
  const dialog = page.getByRole("dialog", { name: `Secret key of ${app}` });
  await page.getByRole("button", { name: "Rotate key" }).click();
  const key = await dialog.getByRole("code").textContent();
  await close(dialog);
  await page.getByText("2 keys are valid.").waitFor();
  const keys = page.getByRole("listitem").filter({ hasText: /^Key \d+: created/ });
  await keys.first().filter({ hasText: "never used" }).waitFor();
  await picture(page, "apps");
  await page.getByRole("button", { name: "Rotate key" }).click();
  await page.getByText(/Key \d+ ends at once/).waitFor();
  await confirm(page, app, "Create key");
  assert.notEqual(await dialog.getByRole("code").textContent(), key);
  await close(dialog);
  await keys.last().getByRole("button", { name: /^Retire key/ }).click();
  await confirm(page, app, "Retire");
  await page.getByText("One key is valid.").waitFor();
  await waitForCount(keys, 1);

  await page.getByRole("button", { name: "Disable", exact: true }).click();
  await page.getByText("is refused with 60016").waitFor();
  await confirm(page, app, "Disable");
  await page.getByRole("button", { name: "Enable", exact: true }).click();
  await page.getByRole("button", { name: "Disable", exact: true }).waitFor();
  await undo(page).click();
  await page.getByRole("button", { name: "Enable", exact: true }).waitFor();
  await closed(watch);
});

test("an app is reset and deleted once its number is typed", async () => {
  const watch = await shown(1400000088);
  const { page } = watch;
  const link = page.getByRole("link", { name: /1400000088/ });
  for (const [button, action, receipt] of [
    ["Reset app", "Reset", "App 1400000088 is reset: nothing was stored."],
    ["Delete app", "Delete", "App 1400000088 is deleted: nothing was stored."],
  ] as const) {
    await page.getByRole("button", { name: button }).click();
    await confirm(page, 1400000088, action);
    await page.getByText(receipt).first().waitFor();
    await waitForNoDialog(page);
  }
  await link.waitFor({ state: "detached" });
  await closed(watch);
});

