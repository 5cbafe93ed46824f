// Tests of the console of `earmark serve`: it has no demo app, operators need a token, and secrets do not leak.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page, Request } from "playwright-core";
import { assertFits, audit, launch, open, picture, type Watch } from "./browser.ts";
import { answer, choose, editor, lookUp, row, send, visit, waitForNoDialog } from "./page.ts";
import { Served, Service } from "./service.ts";

const APP = "1400000001";
const TOKEN = "operator-token-of-the-browser-test";
/** Chromium's own message about an answer with status 401. */
const REFUSED = "console: Failed to load resource: the server responded with a status of 401 (Unauthorized)";

let dev: Service;
let served: Served;
let browser: Browser;

before(async () => {
  [dev, browser] = await Promise.all([Service.start(), launch()]);
  served = await Served.start(dev, TOKEN);
});

after(async () => {
  await browser?.close();
  await served?.end();
  await dev?.end();
});

interface Traces extends Watch {
  requests: Request[];
  /** The console messages of the page. */
  logged: string[];
}

async function opened(): Promise<Traces> {
  const watch = await open(browser, served.origin);
  const [requests, logged]: [Request[], string[]] = [[], []];
  watch.page.on("request", (request) => requests.push(request));
  watch.page.on("console", (message) => logged.push(message.text()));
  await watch.page.goto(`${served.origin}/console`);
  await watch.page.getByRole("button", { name: "Sign in" }).first().waitFor();
  return { ...watch, requests, logged };
}

/** A secret may be in no request, except in the header `header`, and in nothing that the page or the service stores or logs. */
async function assertSecret(secret: string, { page, requests, logged }: Traces, header?: string): Promise<void> {
  for (const request of requests) {
    const { [header ?? ""]: _, ...headers } = await request.allHeaders();
    const sent = [request.url(), request.postData() ?? "", JSON.stringify(headers)].join("\n");
    assert.ok(!sent.includes(secret), `in a request: ${request.method()} ${new URL(request.url()).pathname}`);
  }
  const storage = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, name])";
  const places = { address: page.url(), page: await page.content(), storage: (await page.evaluate(storage)) as string };
  for (const [place, text] of Object.entries({ ...places, console: logged.join("\n"), log: served.log.join("\n") })) {
    assert.ok(!text.includes(secret), `in the ${place}`);
  }
}

/** Checks layout and accessibility on a phone and on a wide screen, in light and dark. */
async function assertUsable(page: Page, where: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [360, 1280]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 860 });
      await assertFits(page);
      const findings = await audit(page, `${where}, ${colorScheme}, ${width} wide`);
      assert.deepEqual(findings.filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
    }
  }
}

const edit = (page: Page) => page.getByRole("switch", { name: "Edit" });

test("serve: the console is read-only until Edit is on, and says which environment it is", async () => {
  const traces = await opened();
  const { page } = traces;
  await page.getByRole("note", { name: "Environment: production" }).waitFor();
  assert.equal(await edit(page).isChecked(), false);
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  await dialog.getByRole("textbox", { name: "SDKAppID" }).fill(APP);
  await dialog.getByLabel("Secret key", { exact: true }).fill(await dev.secretKey());
  await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  await waitForNoDialog(page);

  // A call that changes data cannot be sent, by the button or by the keyboard. A read can.
  assert.equal(await send(page).isDisabled(), true);
  await editor(page).press("Control+Enter");
  await choose(page, "get_contact_group");
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  assert.ok(!traces.requests.some((request) => request.url().includes("mark_contact")));

  await lookUp(page, "user0");
  await assertUsable(page, "look-up, read-only");
  assert.equal(await row(page, "user2").getByRole("button").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Erase this user" }).isDisabled(), true);
  await picture(page, "serve-read-only");
  await visit(page, "apps");
  await page.getByLabel("Operator token", { exact: true }).fill(TOKEN);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.getByRole("heading", { name: "Limits" }).waitFor();
  for (const name of ["New app", "Disable", "Rotate key", "Reset app", "Delete app"]) {
    assert.equal(await page.getByRole("button", { name, exact: true }).isDisabled(), true, name);
  }
  assert.equal(await page.getByRole("combobox", { name: "Edition" }).isDisabled(), true);
  await assertUsable(page, "apps, read-only");

  await edit(page).click();
  assert.equal(await page.getByRole("button", { name: "New app" }).isDisabled(), false);
  await page.reload();
  await edit(page).waitFor();
  assert.equal(await edit(page).isChecked(), false);
  await page.context().close();
});

test("serve: sign in with a secret key, mark, and find the mark", async () => {
  const traces = await opened();
  const { page } = traces;
  // The page asks the service whether there is a demo app, so a button for it would come late.
  await page.waitForLoadState("networkidle");
  assert.equal(await page.getByRole("button", { name: /demo app|Sign out/ }).count(), 0);
  assert.deepEqual(await (await fetch(`${served.origin}/console/session.json`)).json(), { mode: "serve", label: "production", color: "red" });

  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  await dialog.waitFor();
  await assertUsable(page, "sign in");
  await picture(page, "serve-sign-in");
  const key = await dev.secretKey();
  await dialog.getByRole("textbox", { name: "SDKAppID" }).fill(APP);
  await dialog.getByRole("textbox", { name: "Admin" }).fill("administrator");
  await dialog.getByLabel("Secret key", { exact: true }).fill(key);
  await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await waitForNoDialog(page);
  await assertSecret(key, traces);

  // What may be changed is said before anything can be.
  await edit(page).click();
  const item = { OptType: 3, ContactItem: { Type: 1, To_Account: "peer" }, SetMark: [0], CustomMark: "by hand" };
  await editor(page).fill(JSON.stringify({ From_Account: "served", MarkItem: [item] }));
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await lookUp(page, "served");
  await row(page, "peer").getByText("by hand").waitFor();
  await row(page, "peer").getByText("favorite", { exact: true }).waitFor();

  assert.ok(traces.requests.some((request) => request.url().includes("usersig=eJ")));
  await served.logged("mark_contact");
  await assertSecret(key, traces);
  // A reload of the page signs out.
  await page.reload();
  await page.getByRole("button", { name: "Sign in", exact: true }).first().waitFor();
  await assertSecret(key, traces);
  await page.context().close();
  assert.deepEqual(traces.offences, []);
});

test("serve: what needs the operator token asks for it in its place", async () => {
  const traces = await opened();
  const { page } = traces;
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  const dialog = page.getByRole("dialog", { name: "Sign in" });
  await dialog.getByRole("textbox", { name: "SDKAppID" }).fill(APP);
  await dialog.getByLabel("Secret key", { exact: true }).fill(await dev.secretKey());
  await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  await waitForNoDialog(page);
  await lookUp(page, "user0");
  await page.getByRole("button", { name: "Export this user" }).click();
  const field = page.getByLabel("Operator token", { exact: true });
  await field.fill(TOKEN);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await saved;

  // A reload forgets both. Without the token, no user is asked for.
  await page.reload();
  await page.getByRole("button", { name: "Sign in", exact: true }).first().click();
  await dialog.getByRole("textbox", { name: "SDKAppID" }).fill(APP);
  await dialog.getByLabel("Secret key", { exact: true }).fill(await dev.secretKey());
  await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
  await waitForNoDialog(page);
  await page.getByRole("textbox", { name: "UserID" }).fill("use");
  await page.getByRole("button", { name: "Find users by how their ids begin" }).click();
  await assertUsable(page, "operator token in the look-up");
  await field.fill(TOKEN);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.getByRole("region", { name: "Users found" }).getByRole("link", { name: "user0", exact: true }).waitFor();
  await assertSecret(TOKEN, traces, "authorization");
  await visit(page, "overview");
  await page.getByRole("region", { name: "Health" }).getByText("ready", { exact: true }).waitFor();
  await page.context().close();
  assert.deepEqual(traces.offences, [REFUSED]);
});

test("serve: changes by operators are listed, and a token that lacks a scope says so", async () => {
  const traces = await opened();
  const { page } = traces;
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  const body = JSON.stringify({ name: "Shop", limits: { pinned: 49 } });
  assert.ok((await fetch(`${served.origin}/admin/v1/apps/${APP}`, { method: "PATCH", headers, body })).ok);
  await page.goto(`${served.origin}/console#/calls/changes`);
  await page.getByLabel("Operator token", { exact: true }).fill(TOKEN);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  const changes = page.getByRole("region", { name: "Changes by operators" });
  const newest = changes.getByRole("listitem").filter({ hasText: "app set" }).first();
  await newest.getByText("limits.pinned").waitFor();
  assert.equal(await newest.locator("del", { hasText: "50" }).count(), 1);
  assert.equal(await newest.locator("ins", { hasText: "49" }).count(), 1);
  assert.match(await newest.innerText(), /by operator-token, from 127\.0\.0\.1, role earmark/);
  await changes.getByText("You are operator-token, with the scopes read, apps, users.").waitFor();
  await changes.getByRole("combobox", { name: "App" }).selectOption(APP);
  await changes.getByText("app create").waitFor();
  await assertUsable(page, "changes by operators");
  await picture(page, "serve-changes");

  // A token that may only erase users reads nothing.
  const weak = `earmark_${"5".repeat(64)}`;
  await dev.sql(`INSERT INTO operator_tokens (name, digest, scopes) VALUES ('eraser', sha256('${weak}'), '{users}')`);
  await page.reload();
  const field = page.getByLabel("Operator token", { exact: true });
  await field.fill(weak);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.getByText("this needs a token with the scope read; the token eraser has users").waitFor();
  assert.equal(await field.count(), 1, "another token can be entered");
  await assertUsable(page, "a token that lacks a scope");
  await page.context().close();
});

test("serve: the view of the apps asks for the operator token, and takes no other token", async () => {
  const traces = await opened();
  const { page } = traces;
  const field = page.getByLabel("Operator token", { exact: true });
  const show = async (token: string) => {
    await field.fill(token);
    await page.getByRole("button", { name: "Open", exact: true }).click();
  };
  await visit(page, "apps");
  await page.getByText("Authorization must be `Bearer` and the operator token").waitFor();
  assert.equal(await field.getAttribute("type"), "password");
  await assertUsable(page, "operator token");
  await picture(page, "serve-token");

  // The page shows the service's message, also for a token that no header can hold without encoding. The input stays.
  for (const wrong of [`${TOKEN}x`, "жетон-оператора-😀"]) {
    const refused = page.waitForResponse((response) => response.url().endsWith("/admin/v1/apps"));
    await show(wrong);
    assert.equal((await refused).status(), 401);
    await page.getByRole("alert").getByText("this is not the operator token").waitFor();
    assert.equal(await field.inputValue(), wrong);
    assert.equal(await page.getByRole("button", { name: "New app" }).count(), 0);
  }
  await assertUsable(page, "operator token, refused");

  await show(TOKEN);
  await page.getByRole("navigation", { name: "Apps" }).getByRole("link", { name: APP }).waitFor();
  await page.getByRole("heading", { name: "Limits" }).waitFor();
  const authorizations = await Promise.all(traces.requests.map((request) => request.headerValue("authorization")));
  assert.ok(authorizations.includes(`Bearer ${TOKEN}`));
  await assertSecret(TOKEN, traces, "authorization");

  // Only the memory of the tab has the token: after a reload the page asks for it again.
  await page.reload();
  await field.waitFor();
  assert.equal(await field.inputValue(), "");
  await assertSecret(TOKEN, traces, "authorization");
  await page.context().close();
  // Before the token, with each of the wrong ones, and after the reload.
  assert.deepEqual(traces.offences, Array(4).fill(REFUSED));
});
