// Signing in and what the page shows of the session, on an `earmark dev` of its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Locator } from "playwright-core";
import { open, picture, type Watch } from "./browser.ts";
import { startForTests } from "./opened.ts";
import { answer, send, waitForNoDialog } from "./page.ts";
import type { Service } from "./service.ts";

const APP = "1400000001";

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

/** The page without the token of `dev`, and its open dialog for signing in. */
async function asked(): Promise<Watch & { dialog: Locator; enter: (app: string, admin: string, key: string) => Promise<void> }> {
  const watch = await open(browser, service.origin);
  const { page } = watch;
  await page.goto(`${service.origin}/console`);
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  const enter = async (app: string, admin: string, key: string) => {
    await dialog.getByRole("textbox", { name: "SDKAppID" }).fill(app);
    await dialog.getByRole("textbox", { name: "Admin" }).fill(admin);
    await dialog.getByLabel("Secret key", { exact: true }).fill(key);
    await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  };
  return { ...watch, dialog, enter };
}

test("sign-in asks the service, and shows the explained code at the field", async () => {
  const { page, offences, dialog, enter } = await asked();
  const key = await service.secretKey();
  const wrong = async (field: Locator, ...texts: string[]) => {
    await field.and(page.locator('[aria-invalid="true"]')).waitFor();
    const [reason, focused] = await field.evaluate((input) => {
      const about = document.getElementById(input.getAttribute("aria-describedby") ?? "");
      return [about?.textContent ?? "", document.activeElement === input] as const;
    });
    for (const text of texts) assert.ok(reason.includes(text), `${reason}: ${text}`);
    assert.ok(focused, "the wrong field has the focus");
    assert.equal(await dialog.locator('[aria-invalid="true"]').count(), 1);
  };
  const field = (name: string) => dialog.getByRole("textbox", { name });

  await enter("x", "administrator", key);
  await wrong(field("SDKAppID"), "must be a positive integer");
  await enter("77", "administrator", key);
  await wrong(field("SDKAppID"), "70020", "no such app", "Check the number");
  await enter(APP, "stranger", key);
  await wrong(field("Admin"), "60010", "not an admin of the app", "make this one an admin");
  await enter(APP, "administrator", "a-key-of-another-app-0123456789");
  await wrong(dialog.getByLabel("Secret key", { exact: true }), "70009", "was not made with a secret key of this app", "Sign it with the secret key");
  await picture(page, "sign-in-refused");
  assert.equal(await page.getByRole("button", { name: "Sign out" }).count(), 0);

  await enter(APP, "administrator", key);
  await page.getByRole("img", { name: "Session: accepted" }).waitFor();
  await waitForNoDialog(page);
  await page.context().close();
  assert.deepEqual(offences, []);
});

test("the dot of the session follows what the service says", async () => {
  const watch = await open(browser, service.origin);
  const { page } = watch;
  await page.goto(service.link);
  const dot = (state: string) => page.getByRole("img", { name: `Session: ${state}` });
  await dot("accepted").waitFor();

  await service.admin("PATCH", "", { disabled: true });
  await send(page).click();
  await dot("refused").waitFor();
  await page.getByRole("alert").getByText("The service refuses this session.").waitFor();
  await page.getByRole("alert").getByRole("link", { name: "60016" }).waitFor();
  await picture(page, "session-refused");
  await service.admin("PATCH", "", { disabled: false });
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await dot("accepted").waitFor();
  await page.getByText("The service refuses this session.").waitFor({ state: "detached" });

  await service.stop();
  await send(page).click();
  await dot("lost").waitFor();
  await service.startAgain();
  await dot("accepted").waitFor();
  await page.context().close();
});
