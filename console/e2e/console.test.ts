// Tests of the console in a browser, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertFits, audit, type Finding, launch, open, picture, type Watch } from "./browser.ts";
import {
  answer,
  choose,
  close,
  conversations,
  editor,
  lookUp,
  reload,
  row,
  send,
  visit,
  waitForBody,
  waitForCount,
  waitForNoDialog,
} from "./page.ts";
import { Service } from "./service.ts";

/** All files of the page together, in bytes on the wire. */
const BYTES_MAX = 150_000;

let service: Service;
let browser: Browser;

before(async () => {
  [service, browser] = await Promise.all([Service.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await service?.end();
});

/** Opens the address that `dev` prints. */
async function signedIn(options: Parameters<typeof open>[2] = {}): Promise<Watch> {
  const watch = await open(browser, service.origin, options);
  await watch.page.goto(service.link);
  await watch.page.getByRole("heading", { level: 1 }).waitFor();
  await watch.page.getByRole("button", { name: "Sign out" }).waitFor();
  return watch;
}

async function signedOut(options: Parameters<typeof open>[2] = {}): Promise<Watch> {
  const watch = await signedIn(options);
  await watch.page.getByRole("button", { name: "Sign out" }).click();
  await watch.page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  return watch;
}

async function closed({ page, offences }: Watch): Promise<void> {
  await page.context().close();
  assert.deepEqual(offences, []);
}

async function bitsInStore(user: string, peer: string): Promise<unknown> {
  const body = { From_Account: user, ContactItem: [{ Type: 1, To_Account: peer }] };
  const found = (await service.call("recentcontact/search_contact_group", body)) as { ContactResultItem: { StandardMark: string }[] };
  return found.ContactResultItem[0]!.StandardMark;
}

test("the page is small and fast, and sends requests to the service only", async () => {
  const watch = await open(browser, service.origin);
  const start = performance.now();
  const response = await watch.page.goto(`${service.origin}/console`);
  await send(watch.page).waitFor();
  const interactiveMs = performance.now() - start;
  await watch.page.waitForLoadState("networkidle");

  const policy = response!.headers()["content-security-policy"]!;
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(await watch.page.locator("script:not([src]), style, [style*=';']:not(.bar > *), [onclick]").count(), 0);

  const sizes = await Promise.all(watch.sizes);
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of sizes) console.log(`${String(bytes).padStart(7)} bytes  ${path}`);
  console.log(`size on the wire: ${total} bytes`);
  const [page, cold] = [Math.round(interactiveMs), Math.round(service.coldStartMs)];
  console.log(`time to interactive: ${page} ms; with the start of \`earmark dev\`: ${cold + page} ms, of which PostgreSQL and the service take ${cold} ms`);
  assert.ok(total < BYTES_MAX, `${total} bytes`);
  await closed(watch);
});

test("only the printed address signs in, and the page keeps its token in memory", async () => {
  const watch = await signedIn();
  const { page } = watch;
  assert.equal(page.url(), `${service.origin}/console`);
  const storage = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, name])";
  for (const place of [page.url(), await page.content(), (await page.evaluate(storage)) as string]) {
    assert.ok(!place.includes(service.token), place);
  }
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in to the demo app" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();

  await page.reload();
  await page.getByText("open the address that earmark dev printed").waitFor();
  assert.equal(await page.getByRole("button", { name: /demo app|Sign out/ }).count(), 0);
  await picture(page, "needs-link");
  await page.goto(service.link);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await closed(watch);
});

test("sign in, mark by form and by JSON, and find the marks in the look-up", async () => {
  const watch = await signedIn();
  const { page } = watch;
  const marks = page.getByRole("group", { name: "SetMark", exact: true });
  await marks.getByRole("button", { name: "unread" }).click();
  await waitForBody(page, /"SetMark": \[0, 32, 1\]/);
  await editor(page).fill((await editor(page).inputValue()).replace('"user1"', '"user9"').replace('"abcd"', '"from the console"'));
  await waitForBody(page, /"user9"/);
  assert.equal(await page.getByRole("textbox", { name: "To_Account" }).inputValue(), "user9");
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await answer(page).getByText("user9", { exact: true }).waitFor();
  await picture(page, "console");

  await lookUp(page, "user0");
  const user9 = row(page, "user9");
  await user9.getByRole("button", { name: "unread", pressed: true }).waitFor();
  await user9.getByText("from the console").waitFor();
  await user9.getByText("bit 32").waitFor();
  await picture(page, "lookup");
  await closed(watch);
});

test("the form adds and removes items, takes a chat group, and keeps unknown fields", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await editor(page).fill('{"Unknown": {"kept": [1]}, "From_Account": "user0", "MarkItem": []}');
  const add = page.getByRole("button", { name: "Add to MarkItem" });
  await add.click();
  await add.click();
  await page.getByRole("button", { name: "Remove MarkItem[1]" }).click();
  const item = page.getByRole("group", { name: "MarkItem[0]" });
  await item.getByRole("button", { name: "Chat group" }).click();
  await item.getByRole("textbox", { name: "ToGroupId" }).fill("@TGS#aaa");
  await item.getByText("All 64 bits").click();
  await item.getByRole("button", { name: "63", exact: true }).click();
  await waitForBody(page, /"SetMark": \[63\]/);
  assert.deepEqual(JSON.parse(await editor(page).inputValue()), {
    Unknown: { kept: [1] },
    From_Account: "user0",
    MarkItem: [{ OptType: 1, ContactItem: { Type: 2, ToGroupId: "@TGS#aaa" }, SetMark: [63] }],
  });
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await closed(watch);
});

test("the page shows an error at the field that the service names", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await editor(page).fill('{"From_Account": "user0", "MarkItem": [{"OptType": 7, "ContactItem": {"Type": 1, "To_Account": "user1"}}]}');
  await send(page).click();
  await answer(page).getByText("50002").first().waitFor();
  await answer(page).getByText("MarkItem[0].OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)").first().waitFor();
  await page.getByRole("combobox", { name: "OptType" }).and(page.locator('[aria-invalid="true"]')).waitFor();
  await picture(page, "error");

  // The console sends a body that is not JSON, and the service answers with an error.
  await editor(page).fill('{"From_Account": ');
  await page.getByText("The form comes back").waitFor();
  await editor(page).press("Control+Enter");
  await answer(page).getByText("60003").first().waitFor();

  await answer(page).getByRole("link", { name: "60003" }).click();
  await page.getByRole("heading", { name: "60003", exact: true }).waitFor();
  await page.getByRole("searchbox", { name: "Search" }).fill("51008");
  await page.getByRole("heading", { name: "51008", exact: true }).waitFor();
  await waitForCount(page.getByRole("heading", { level: 2 }), 1);
  await page.getByText("What to do").waitFor();
  await visit(page, "try");
  assert.equal(await editor(page).inputValue(), '{"From_Account": ');
  await closed(watch);
});

test("the look-up stores a click, and takes it back if the service refuses it", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "user0");
  await row(page, "user3").getByRole("button", { name: "favourite" }).click();
  await page.getByRole("status").getByText("Stored").waitFor();
  await row(page, "user3").and(page.locator('[aria-busy="false"]')).waitFor();
  assert.match(String(await bitsInStore("user0", "user3")), /1$/);
  await row(page, "user3").getByRole("button", { name: "Pin user3" }).click();
  await row(page, "user3").and(page.locator('[aria-busy="false"]')).waitFor();
  await row(page, "user2").getByRole("button", { name: "contact groups" }).click();
  await row(page, "user2").getByRole("button", { name: "work" }).click();
  await row(page, "user2").and(page.locator('[aria-busy="false"]')).waitFor();
  await reload(page);
  await page.getByRole("meter", { name: "Pinned" }).and(page.locator('[aria-valuenow="2"]')).waitFor();
  await page.getByRole("meter", { name: "In contact groups" }).and(page.locator('[aria-valuenow="3"]')).waitFor();

  // A custom mark may have 256 bytes.
  await row(page, "user3").getByText("waiting for an answer").click();
  await page.getByRole("textbox", { name: "Custom mark of user3" }).fill("x".repeat(257));
  await page.getByRole("button", { name: "Save" }).click();
  await row(page, "user3").getByText(/must be 0 to 256 bytes/).waitFor();
  await row(page, "user3").getByText("waiting for an answer").waitFor();

  await page.getByRole("searchbox", { name: "Filter" }).fill("waiting");
  await waitForCount(conversations(page), 1);
  await closed(watch);
});

test("the look-up counts, filters and pages many conversations", async () => {
  for (let from = 0; from < 230; from += 100) {
    const MarkItem = Array.from({ length: Math.min(100, 230 - from) }, (_, at) => ({
      OptType: 1,
      ContactItem: { Type: 1, To_Account: `peer${from + at}` },
      SetMark: [1],
    }));
    await service.call("recentcontact/mark_contact", { From_Account: "busy", MarkItem });
  }
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "busy");
  await page.getByRole("heading", { name: "230 conversations" }).waitFor();
  await page.getByRole("meter", { name: "Marked" }).and(page.locator('[aria-valuenow="230"]')).waitFor();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("button", { name: "Next" }).click();
  await page.getByText("Page 2 of 10").waitFor();
  await page.getByRole("searchbox", { name: "Filter" }).fill("peer22");
  await waitForCount(conversations(page), 11);
  await closed(watch);
});

test("hostile strings are shown as text", async () => {
  const peer = "<img src=x onerror=alert(1)>";
  const custom = "😀".repeat(64);
  const turned = "\u202egnp.\u2066<b>x</b>";
  const item = (To_Account: string, CustomMark: string) => ({ OptType: 2, ContactItem: { Type: 1, To_Account }, CustomMark });
  await service.call("recentcontact/mark_contact", { From_Account: "<u>", MarkItem: [item(peer, custom), item("b", turned)] });
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "<u>");
  await page.getByText(peer, { exact: true }).first().waitFor();
  await page.getByText(custom, { exact: true }).waitFor();
  await page.getByText(turned, { exact: true }).waitFor();
  assert.equal(await page.locator("img, main b").count(), 0);
  await assertFits(page);
  await page.setViewportSize({ width: 360, height: 760 });
  await assertFits(page);
  await picture(page, "hostile-phone");

  await visit(page, "try");
  await editor(page).fill(JSON.stringify({ From_Account: `</script>${turned}`, MarkItem: [{ OptType: 9 }] }));
  await send(page).click();
  await answer(page).getByText("50002").first().waitFor();
  await assertFits(page);
  await closed(watch);
});

test("the page reports a restart of the service, and keeps the input", async () => {
  const watch = await signedIn();
  const { page } = watch;
  const typed = '{"From_Account": "user0", "StartIndex": 0}';
  await choose(page, "get_contact_group");
  await editor(page).fill(typed);
  await service.stop();
  await send(page).click();
  await page.getByRole("alert").getByText("Cannot reach the service.").first().waitFor();
  await answer(page).getByText("The request may or may not have arrived.").waitFor();
  await picture(page, "unreachable");
  await visit(page, "codes");
  await page.getByRole("heading", { name: "Error codes" }).waitFor();
  await visit(page, "try");
  await choose(page, "get_contact_group");
  assert.equal(await editor(page).inputValue(), typed);

  await service.startAgain();
  await page.getByText("The console tries again every two seconds").waitFor({ state: "hidden" });
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  assert.ok(watch.offences.every((offence) => /net::ERR_(CONNECTION|EMPTY)/.test(offence)), watch.offences.join("\n"));
  await page.context().close();
});

test("apps: create, sign in with the new key, rotate, set, disable", async () => {
  const watch = await signedOut({ permissions: ["clipboard-read", "clipboard-write"] });
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
  assert.deepEqual(JSON.parse(kept), [{ "earmark-theme": "system" }, {}, ""]);
  assert.doesNotMatch(page.url(), /usersig|eJ/);

  // curl has a placeholder until the user asks for the UserSig.
  const curl = page.getByLabel("The call in curl");
  await curl.filter({ hasText: /usersig='"\$USERSIG"'/ }).waitFor();
  await page.getByRole("checkbox", { name: /Include my UserSig/ }).check();
  await curl.filter({ hasText: /usersig=eJ/ }).waitFor();

  // Until the page hears of the new address, it shows the fields of the demo app.
  await visit(page, "apps");
  await page.getByRole("link", { name: /1400000077/ }).click();
  await panel.waitFor();
  await page.getByRole("textbox", { name: "New admin" }).fill("second");
  await page.getByRole("button", { name: "Add", exact: true }).first().click();
  await page.getByRole("button", { name: "Remove second" }).waitFor();
  await page.getByRole("combobox", { name: "User access" }).selectOption("read");
  await page.getByRole("textbox", { name: "New origin" }).fill("https://chat.example.com");
  await page.getByRole("button", { name: "Add", exact: true }).last().click();
  await page.getByRole("button", { name: "Remove https://chat.example.com" }).waitFor();
  assert.equal(await page.getByRole("combobox", { name: "User access" }).inputValue(), "read");
  await page.getByRole("textbox", { name: "pinned", exact: true }).fill("7");
  await page.getByRole("button", { name: "Save 1 limit" }).click();
  await page.getByRole("button", { name: "Save limits" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "pinned", exact: true }).inputValue(), "7");
  await page.getByRole("combobox", { name: "Edition" }).selectOption("trial");
  await page.getByRole("link", { name: /1400000077 trial/ }).waitFor();
  await page.getByRole("button", { name: "Rotate key" }).click();
  await page.getByRole("button", { name: "Create key", exact: true }).click();
  assert.notEqual(await dialog.getByRole("code").textContent(), key);
  await close(dialog);
  await page.getByText("2 keys are valid.").waitFor();
  const keys = page.getByRole("listitem").filter({ hasText: /^Key \d+: created/ });
  await keys.first().filter({ hasText: "never used" }).waitFor();
  await keys.last().filter({ hasText: "last used" }).waitFor();
  await picture(page, "apps");
  // Another rotation says which key it ends.
  await page.getByRole("button", { name: "Rotate key" }).click();
  await page.getByText(/Key \d+ ends at once/).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await keys.last().getByRole("button", { name: /^Retire key/ }).click();
  await page.getByText("One key is valid.").waitFor();
  await waitForCount(keys, 1);
  await page.getByRole("button", { name: "Disable", exact: true }).click();
  await page.getByRole("button", { name: "Enable", exact: true }).waitFor();

  // The service refuses a number that another app has.
  await page.getByRole("button", { name: "New app" }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.context().close();
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

test("an app is reset and deleted once its number is typed", async () => {
  const headers = { authorization: `Bearer ${service.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ sdkappid: 1400000088 });
  assert.equal((await fetch(`${service.origin}/admin/v1/apps`, { method: "POST", headers, body })).status, 201);
  const watch = await signedIn();
  const { page } = watch;
  await visit(page, "apps");
  const link = page.getByRole("link", { name: /1400000088/ });
  await link.click();
  for (const [button, action, receipt] of [
    ["Reset app", "Reset", "App 1400000088 is reset: nothing was stored."],
    ["Delete app", "Delete", "App 1400000088 is deleted: nothing was stored."],
  ] as const) {
    await page.getByRole("button", { name: button }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "SDKAppID" }).fill("1400000001");
    assert.equal(await dialog.getByRole("button", { name: action, exact: true }).isDisabled(), true);
    await dialog.getByRole("textbox", { name: "SDKAppID" }).fill("1400000088");
    await dialog.getByRole("button", { name: action, exact: true }).click();
    await page.getByText(receipt).first().waitFor();
    await waitForNoDialog(page);
  }
  await link.waitFor({ state: "detached" });
  await closed(watch);
});

test("every view fits a phone in light and dark, and axe finds no serious violation", async () => {
  const findings: Finding[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    const watch = await signedOut({ colorScheme, viewport: { width: 360, height: 780 } });
    const { page } = watch;
    const check = async (what: string, file?: string) => {
      await assertFits(page);
      findings.push(...(await audit(page, `${what}, ${colorScheme}`)));
      if (file) await picture(page, `${file}-${colorScheme}-phone`);
    };
    await check("welcome", "welcome");
    await page.getByRole("button", { name: "Enter credentials" }).click();
    await page.getByRole("dialog").waitFor();
    await check("sign in");
    await page.getByRole("dialog").getByRole("button", { name: "Sign in to the demo app" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    await page.getByRole("combobox", { name: "Call", exact: true }).selectOption("mark_contact");
    await editor(page).fill('{"From_Account": "user0", "MarkItem": [{"OptType": 7}]}');
    await send(page).click();
    await answer(page).getByText("50002").first().waitFor();
    await check("try a call", "try");
    await lookUp(page, "user0");
    await page.getByRole("button", { name: "more bits" }).first().click();
    await check("look-up", "lookup");
    await visit(page, "codes");
    await page.getByRole("heading", { name: "Error codes" }).waitFor();
    await check("codes", "codes");
    await visit(page, "apps");
    await page.getByRole("heading", { name: "Limits" }).waitFor();
    await check("apps", "apps");
    await page.setViewportSize({ width: 1280, height: 860 });
    await check("apps, wide");
    await lookUp(page, "user0");
    await check("look-up, wide");
    await page.evaluate("scrollTo(0, 0)");
    if (colorScheme === "dark") await picture(page, "lookup-dark");
    await visit(page, "try");
    await check("try a call, wide");
    await closed(watch);
  }
  const serious = findings.filter(({ impact }) => ["serious", "critical"].includes(impact));
  console.log(`axe: ${findings.length} violations, of which ${serious.length} are serious`);
  for (const { where, impact, rule, nodes } of findings) console.log(`  ${impact} ${rule} (${where})\n    ${nodes.join("\n    ")}`);
  assert.equal(serious.length, 0);
});

test("the keyboard alone can sign in, mark and send", async () => {
  const watch = await signedOut();
  const { page } = watch;
  const press = async (key: string, until: () => Promise<boolean>) => {
    for (let times = 0; times < 80; times++) {
      if (await until()) return;
      await page.keyboard.press(key);
    }
    assert.fail(`after 80 times ${key} the focus is elsewhere`);
  };
  const focused = (name: string) => async () =>
    (await page.evaluate("document.activeElement.textContent.trim()")) === name &&
    // The focus must be visible.
    (await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")) !== "none";
  await press("Tab", focused("Skip to content"));
  await press("Tab", focused("Sign in to the demo app"));
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await press("Tab", focused("favourite"));
  await page.keyboard.press("Space");
  await waitForBody(page, /"SetMark": \[32\]/);
  await press("Tab", focused("Send"));
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("Answered: OK").waitFor();
  await closed(watch);
});
