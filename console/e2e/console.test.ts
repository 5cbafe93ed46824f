// The console as people use it: in a browser, on a service that has just been started.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertFits, audit, type Finding, launch, open, picture, type Watch } from "./browser.ts";
import { answer, choose, editor, lookUp, row, send, visit } from "./page.ts";
import { Service } from "./service.ts";

/** The most that the page may weigh on the wire, all of it. */
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

async function opened(options: Parameters<typeof open>[2] = {}): Promise<Watch> {
  const watch = await open(browser, service.origin, options);
  await watch.page.goto(`${service.origin}/console`);
  await watch.page.getByRole("heading", { level: 1 }).waitFor();
  return watch;
}

async function signedIn(options: Parameters<typeof open>[2] = {}): Promise<Watch> {
  const watch = await opened(options);
  await watch.page.getByRole("button", { name: "Sign in to the demo app" }).click();
  await watch.page.getByRole("button", { name: "Sign out" }).waitFor();
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

test("the page is small, quick, and asks nobody else", async () => {
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

  const total = [...watch.bytes.values()].reduce((sum, size) => sum + size, 0);
  for (const [path, size] of watch.bytes) console.log(`${String(size).padStart(7)} bytes  ${path}`);
  console.log(`size over the wire: ${total} bytes, all of it`);
  const [page, cold] = [Math.round(interactiveMs), Math.round(service.coldStartMs)];
  console.log(`time to interactive: ${page} ms; from a cold dev: ${cold + page} ms, ${cold} of them for the service and its PostgreSQL`);
  assert.ok(total < BYTES_MAX, `${total} bytes`);
  await closed(watch);
});

test("sign in, mark by form and by JSON, see it in the look-up", async () => {
  const watch = await signedIn();
  const { page } = watch;
  const marks = page.getByRole("group", { name: "SetMark", exact: true });
  await marks.getByRole("button", { name: "unread" }).click();
  assert.match(await editor(page).inputValue(), /"SetMark": \[0, 32, 1\]/);
  await editor(page).fill((await editor(page).inputValue()).replace('"user1"', '"user9"').replace('"abcd"', '"from the console"'));
  assert.equal(await page.getByRole("textbox", { name: "To_Account" }).inputValue(), "user9");
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await answer(page).getByText("user9", { exact: true }).waitFor();
  await picture(page, "console");

  await lookUp(page, "user0");
  const user9 = row(page, "user9");
  assert.equal(await user9.getByRole("button", { name: "unread" }).getAttribute("aria-pressed"), "true");
  await user9.getByText("from the console").waitFor();
  await user9.getByText("bit 32").waitFor();
  await picture(page, "lookup");
  await closed(watch);
});

test("several items, added and removed; a chat group; what the form does not know stays", async () => {
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
  assert.deepEqual(JSON.parse(await editor(page).inputValue()), {
    Unknown: { kept: [1] },
    From_Account: "user0",
    MarkItem: [{ OptType: 1, ContactItem: { Type: 2, ToGroupId: "@TGS#aaa" }, SetMark: [63] }],
  });
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  await closed(watch);
});

test("an error is explained, in the service's words, at the field that it names", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await editor(page).fill('{"From_Account": "user0", "MarkItem": [{"OptType": 7, "ContactItem": {"Type": 1, "To_Account": "user1"}}]}');
  await send(page).click();
  await answer(page).getByText("50002").first().waitFor();
  await answer(page).getByText("MarkItem[0].OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)").first().waitFor();
  const field = page.getByRole("combobox", { name: "OptType" });
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  await picture(page, "error");

  // What is no JSON is sent as it stands, and answered by the service.
  await editor(page).fill('{"From_Account": ');
  await page.getByText("The form comes back").waitFor();
  await editor(page).press("Control+Enter");
  await answer(page).getByText("60003").first().waitFor();

  await answer(page).getByRole("link", { name: "60003" }).click();
  await page.getByRole("heading", { name: "60003" }).waitFor();
  await page.getByRole("searchbox", { name: "Search" }).fill("51008");
  await page.getByText("What to do").waitFor();
  assert.equal(await page.getByRole("heading", { level: 2 }).count(), 1);
  await visit(page, "try");
  assert.equal(await editor(page).inputValue(), '{"From_Account": ');
  await closed(watch);
});

test("a click in the look-up is stored, and one that is refused is taken back", async () => {
  const watch = await signedIn();
  const { page } = watch;
  await lookUp(page, "user0");
  const favourite = row(page, "user3").getByRole("button", { name: "favourite" });
  await favourite.click();
  await page.getByRole("status").getByText("Stored").waitFor();
  await assert.doesNotReject(row(page, "user3").and(page.locator('[aria-busy="false"]')).waitFor());
  assert.match(String(await bitsInStore("user0", "user3")), /1$/);
  await row(page, "user3").getByRole("button", { name: "Pin user3" }).click();
  await row(page, "user3").and(page.locator('[aria-busy="false"]')).waitFor();
  await row(page, "user2").getByRole("button", { name: "groups" }).click();
  await row(page, "user2").getByRole("button", { name: "work" }).click();
  await row(page, "user2").and(page.locator('[aria-busy="false"]')).waitFor();
  await page.getByRole("button", { name: "Read again" }).click();
  await page.getByRole("meter", { name: "Pinned" }).and(page.locator('[aria-valuenow="2"]')).waitFor();
  await page.getByRole("meter", { name: "In groups" }).and(page.locator('[aria-valuenow="3"]')).waitFor();

  // A custom mark of 257 bytes is one too many.
  await row(page, "user3").getByText("waiting for an answer").click();
  await page.getByRole("textbox", { name: "Custom mark of user3" }).fill("x".repeat(257));
  await page.getByRole("button", { name: "Save" }).click();
  await row(page, "user3").getByText(/CustomMark: must be 0 to 256 bytes/).waitFor();
  await row(page, "user3").getByText("waiting for an answer").waitFor();

  await page.getByRole("searchbox", { name: "Filter" }).fill("waiting");
  assert.equal(await page.getByRole("list", { name: "Conversations" }).locator("> li").count(), 1);
  await closed(watch);
});

test("many conversations are counted, filtered and paged", async () => {
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
  assert.equal(await page.getByRole("meter", { name: "Marked" }).getAttribute("aria-valuenow"), "230");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("button", { name: "Next" }).click();
  await page.getByText("Page 2 of 10").waitFor();
  await page.getByRole("searchbox", { name: "Filter" }).fill("peer22");
  assert.equal(await page.getByRole("list", { name: "Conversations" }).locator("> li").count(), 11);
  await closed(watch);
});

test("hostile strings are text", async () => {
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

test("a service that restarts is told of, and nothing typed is lost", async () => {
  const watch = await signedIn();
  const { page } = watch;
  const typed = '{"From_Account": "user0", "StartIndex": 0}';
  await choose(page, "get_contact_group");
  await editor(page).fill(typed);
  await service.stop();
  await send(page).click();
  await page.getByRole("alert").getByText("Cannot reach the service.").first().waitFor();
  await answer(page).getByText("Whether the request arrived is not known").waitFor();
  await picture(page, "unreachable");
  await visit(page, "codes");
  await page.getByRole("heading", { name: "Error codes" }).waitFor();
  await visit(page, "try");
  await choose(page, "get_contact_group");
  assert.equal(await editor(page).inputValue(), typed);

  await service.startAgain();
  await page.getByText("It is looked for every two seconds").waitFor({ state: "hidden" });
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  assert.ok(watch.offences.every((offence) => /net::ERR_(CONNECTION|EMPTY)/.test(offence)), watch.offences.join("\n"));
  await page.context().close();
});

test("apps: create, sign in with the new key by hand, rotate, set, disable", async () => {
  const watch = await opened({ permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = watch;
  await visit(page, "apps");
  await page.getByRole("button", { name: "New app" }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByRole("button", { name: "Create" }).click();
  const dialog = page.getByRole("dialog", { name: "Secret key of 1400000077" });
  const key = (await dialog.getByRole("code").textContent())!;
  await dialog.getByRole("button", { name: "Copy the secret key" }).click();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), key);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("heading", { name: "1400000077" }).waitFor();
  assert.ok(!(await page.content()).includes(key));

  // The UserSig is made in the page: the key is in no request.
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url() + (request.postData() ?? "") + JSON.stringify(request.headers())));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByLabel("Secret key", { exact: true }).fill(key);
  await page.getByRole("dialog").getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("1400000077").first().waitFor();
  await visit(page, "try");
  await send(page).click();
  await answer(page).getByText("OK", { exact: true }).waitFor();
  assert.ok(requests.length > 0 && requests.every((request) => !request.includes(key)));
  const kept = (await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")) as string;
  assert.deepEqual(JSON.parse(kept), [{ "earmark-theme": "system" }, {}, ""]);
  assert.doesNotMatch(page.url(), /usersig|eJ/);

  // curl has a place holder, until the UserSig is asked for.
  const curl = page.getByLabel("The call in curl");
  assert.match((await curl.textContent())!, /usersig='"\$USERSIG"'/);
  await page.getByRole("checkbox", { name: /Put my UserSig into it/ }).check();
  assert.match((await curl.textContent())!, /usersig=eJ/);

  await visit(page, "apps");
  await page.getByRole("link", { name: /1400000077/ }).click();
  await page.getByRole("textbox", { name: "New admin" }).fill("second");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("button", { name: "Remove second" }).waitFor();
  await page.getByRole("textbox", { name: "pinned" }).fill("7");
  await page.getByRole("button", { name: "Save 1 limit" }).click();
  await page.getByRole("button", { name: "Save limits" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "pinned" }).inputValue(), "7");
  await page.getByRole("combobox", { name: "Edition" }).selectOption("trial");
  await page.getByRole("link", { name: /1400000077 trial/ }).waitFor();
  await page.getByRole("button", { name: "Rotate key" }).click();
  await page.getByRole("button", { name: "Make it" }).click();
  const fresh = page.getByRole("dialog", { name: "Secret key of 1400000077" });
  assert.notEqual(await fresh.getByRole("code").textContent(), key);
  await fresh.getByRole("button", { name: "Close" }).click();
  await page.getByText("2 keys are good.").waitFor();
  await picture(page, "apps");
  await page.getByRole("button", { name: "Retire the old key" }).click();
  await page.getByText("One key is good.").waitFor();
  await page.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("button", { name: "Enable" }).waitFor();

  // A number that is taken: the service says so.
  await page.getByRole("button", { name: "New app" }).click();
  await page.getByRole("textbox", { name: "SDKAppID" }).fill("1400000077");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.context().close();
});

test("every view fits a phone, in light and dark, and axe finds nothing serious", async () => {
  const findings: Finding[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    const watch = await opened({ colorScheme, viewport: { width: 360, height: 780 } });
    const { page } = watch;
    const check = async (what: string, file?: string) => {
      await assertFits(page);
      findings.push(...(await audit(page, `${what}, ${colorScheme}`)));
      if (file) await picture(page, `${file}-${colorScheme}-phone`);
    };
    await check("welcome", "welcome");
    await page.getByRole("button", { name: "By hand" }).click();
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
  console.log(`axe: ${findings.length} findings, ${serious.length} of them serious`);
  for (const { where, impact, rule, nodes } of findings) console.log(`  ${impact} ${rule} (${where})\n    ${nodes.join("\n    ")}`);
  assert.equal(serious.length, 0);
});

test("all of it goes by keyboard", async () => {
  const watch = await opened();
  const { page } = watch;
  const press = async (key: string, until: () => Promise<boolean>) => {
    for (let times = 0; times < 80; times++) {
      if (await until()) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${key} does not lead there`);
  };
  const focused = (name: string) => async () =>
    (await page.evaluate("document.activeElement.textContent.trim()")) === name &&
    // A focus that cannot be seen is none.
    (await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")) !== "none";
  await press("Tab", focused("Skip to the content"));
  await press("Tab", focused("Sign in to the demo app"));
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await press("Tab", focused("favourite"));
  await page.keyboard.press("Space");
  assert.match(await editor(page).inputValue(), /"SetMark": \[32\]/);
  await press("Tab", focused("Send"));
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("Answered: OK").waitFor();
  await closed(watch);
});
