// Tests of the console in a browser, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { assertFits, audit, closed, type Finding, open, picture } from "./browser.ts";
import { openSignedIn, openSignedOut, startForTests } from "./opened.ts";
import {
  answer,
  choose,
  edited,
  editor,
  lookUp,
  row,
  send,
  visit,
  waitForBody,
  waitForCount,
} from "./page.ts";
import type { Service } from "./service.ts";

/** All files of the page together, in bytes on the wire. */
const BYTES_MAX = 150_000;

let service: Service;
let browser: Browser;

startForTests((own) => ({ service, browser } = own));

const signedIn = (options?: BrowserContextOptions) => openSignedIn(browser, service, options);
const signedOut = (options?: BrowserContextOptions) => openSignedOut(browser, service, options);

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
  const paths = sizes.map(({ path }) => path);
  assert.deepEqual(paths.filter((path, at) => paths.indexOf(path) !== at), [], "these were fetched twice");
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of sizes) console.log(`${String(bytes).padStart(7)} bytes  ${path}`);
  console.log(`size on the wire: ${total} bytes`);
  const [page, cold] = [Math.round(interactiveMs), Math.round(service.coldStartMs)];
  console.log(`time to interactive: ${page} ms; with the start of \`earmark dev\`: ${cold + page} ms, of which PostgreSQL and the service take ${cold} ms`);
  assert.ok(total < BYTES_MAX, `${total} bytes`);
  await closed(watch);
});

test("only the printed address signs in, and only its tab keeps the token", async () => {
  const watch = await signedIn();
  const { page } = watch;
  assert.equal(page.url(), `${service.origin}/console`);
  const storage = "JSON.stringify([{ ...localStorage }, document.cookie, history.state, name])";
  for (const place of [page.url(), await page.content(), (await page.evaluate(storage)) as string]) {
    assert.ok(!place.includes(service.token), place);
  }
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in to the demo app" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();

  // A reload of the tab signs in by itself. Another tab has no token.
  await page.reload();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  const other = await page.context().newPage();
  await other.goto(`${service.origin}/console`);
  await other.getByText("open the address that earmark dev printed").waitFor();
  assert.equal(await other.getByRole("button", { name: /demo app|Sign out/ }).count(), 0);
  await picture(other, "needs-link");
  await closed(watch);
});

test("the page, the filter, the order and the call that is written survive a reload and the Back button", async () => {
  for (const from of [0, 60]) {
    const item = (at: number) => ({ OptType: 1, ContactItem: { Type: 1, To_Account: `peer${from + at}` }, SetMark: [1] });
    const MarkItem = Array.from({ length: 60 }, (_, at) => item(at));
    await service.call("recentcontact/mark_contact", { From_Account: "paged", MarkItem });
  }
  const watch = await signedIn();
  const { page } = watch;
  const written = '{"From_Account": "half written';
  await editor(page).fill(written);
  await lookUp(page, "paged");
  await page.getByRole("combobox", { name: "Order" }).selectOption("name");
  await page.getByRole("searchbox", { name: "Filter" }).fill("peer");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("button", { name: "Next" }).click();
  const currentPage = (number: string) => page.getByRole("navigation", { name: "Pages" }).locator("option:checked", { hasText: number });
  const shown = async () => {
    await currentPage("2").waitFor({ state: "attached" });
    assert.equal(await page.getByRole("searchbox", { name: "Filter" }).inputValue(), "peer");
    assert.equal(await page.getByRole("combobox", { name: "Order" }).inputValue(), "name");
    assert.equal(await page.getByRole("textbox", { name: "UserID" }).inputValue(), "paged");
  };
  await shown();
  await page.reload();
  await shown();
  await visit(page, "codes");
  await page.getByRole("searchbox", { name: "Search" }).fill("51008");
  await waitForCount(page.getByRole("heading", { level: 2 }), 1);
  await page.goBack();
  await shown();
  await page.goBack();
  await currentPage("1").waitFor({ state: "attached" });
  await page.goForward();
  await page.goForward();
  await waitForCount(page.getByRole("heading", { level: 2 }), 1);
  await page.reload();
  assert.equal(await page.getByRole("searchbox", { name: "Search" }).inputValue(), "51008");
  // A view opens where it was left.
  await visit(page, "users");
  await page.getByRole("searchbox", { name: "Filter" }).waitFor();
  await visit(page, "try");
  assert.equal(await editor(page).inputValue(), written);
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
  // The first answer of a service takes longer than the others.
  const again = page.waitForResponse(/mark_contact/);
  await send(page).click();
  await (await again).finished();
  await send(page).and(page.locator(":not([aria-disabled])")).waitFor();
  await picture(page, "console");

  await lookUp(page, "user0");
  const user9 = row(page, "user9");
  await user9.getByText("unread", { exact: true }).waitFor();
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

test("a call that was partly refused says so, and shows first what was refused", async () => {
  await service.admin("PATCH", "", { limits: { marked: 2 } });
  const long = "an-id-as-long-as-an-id-may-be-32";
  const item = (To_Account: string) => ({ OptType: 1, ContactItem: { Type: 1, To_Account }, SetMark: [0] });
  const body = { From_Account: "partly", MarkItem: ["first", "second", long].map(item) };
  const watch = await signedIn({ viewport: { width: 360, height: 780 } });
  const { page } = watch;
  await editor(page).fill(JSON.stringify(body));
  await send(page).click();
  await answer(page).getByText("1 of 3 refused", { exact: true }).waitFor();
  await page.getByRole("status").getByText("Answered: 1 of 3 refused").waitFor();
  const results = answer(page).getByRole("list", { name: "Results of the items" }).getByRole("listitem");
  assert.deepEqual((await results.allTextContents()).map((text) => text.split(/(?=done|5)/)[0]), [long, "first", "second"]);
  await results.first().getByRole("link", { name: "51008" }).waitFor();
  await results.first().getByText(/raise the limit/).waitFor();
  const lines = await results.first().getByText(long).evaluate((id) => id.getClientRects().length);
  assert.ok(lines <= 2, `the id is broken into ${lines} lines`);
  await results.first().scrollIntoViewIfNeeded();
  await picture(page, "partly-refused-phone");
  await page.setViewportSize({ width: 1280, height: 860 });
  await picture(page, "partly-refused");
  await service.admin("PATCH", "", { limits: { marked: 1000 } });
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
    const change = await edited(page, "user2");
    await change.getByText("All 64 bits").click();
    await check("look-up, edited", "lookup-edit");
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
  await press("Tab", focused("favorite"));
  await page.keyboard.press("Space");
  await waitForBody(page, /"SetMark": \[32\]/);
  await press("Tab", focused("Send"));
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("Answered: OK").waitFor();
  assert.equal(await focused("Send")(), true, "the focus is where it was");
  await closed(watch);
});
