// The webhooks of an app in the console, on an `earmark dev` of their own.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser, Locator } from "playwright-core";
import { assertFits, audit, closed, launch, open, picture, type Watch } from "./browser.ts";
import { visit } from "./page.ts";
import { Service } from "./service.ts";

let service: Service;
let browser: Browser;
let receiver: Server;
/** The status that the receiver answers with. */
let status = 500;
const received: string[] = [];

before(async () => {
  [service, browser] = await Promise.all([Service.start(), launch()]);
  receiver = createServer((request, response) => {
    if (status === 200) received.push(String(request.headers["webhook-id"]));
    request.resume();
    response.writeHead(status).end();
  });
  await once(receiver.listen(0, "127.0.0.1"), "listening");
});

after(async () => {
  receiver?.close();
  await browser?.close();
  await service?.end();
});

/** The app's panel, and the entry of the webhook with this address. */
async function shown(url: string): Promise<Watch & { webhook: Locator }> {
  const watch = await open(browser, service.origin);
  const { page } = watch;
  await page.goto(service.link);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await visit(page, "apps");
  await page.getByRole("link", { name: /1400000001/ }).click();
  return { ...watch, webhook: page.getByRole("listitem").filter({ hasText: url }) };
}

/** Asks until the webhook is as wanted. */
async function until(path: string, isWanted: (webhook: Record<string, unknown>) => boolean): Promise<void> {
  while (!isWanted(await service.admin("GET", path))) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("an app shows its webhooks and what was not delivered", async () => {
  const url = "https://chat.example.com/<hook>";
  const { id } = await service.admin("POST", "/webhooks", { url });
  const watch = await shown(url);
  await watch.webhook.getByText("delivers", { exact: true }).waitFor();
  await watch.webhook.getByRole("button", { name: "Failed deliveries: 0 waiting, 0 given up" }).click();
  await watch.webhook.getByText("None.", { exact: true }).waitFor();
  await closed(watch);
  await service.admin("DELETE", `/webhooks/${id}`);
});

test("the replay button sends a change again that was given up", async () => {
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  await service.admin("PATCH", "", { feed: true });
  // As if the feed had been on for a while.
  await service.sql("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'");
  const { id } = await service.admin("POST", "/webhooks", { url });
  const item = { OptType: 1, ContactItem: { Type: 1, To_Account: "peer" }, SetMark: [0] };
  await service.call("recentcontact/mark_contact", { From_Account: "hooked", MarkItem: [item] });
  await until(`/webhooks/${id}`, ({ failing_since }) => typeof failing_since === "number");
  await service.sql("UPDATE webhooks SET failing_since = failing_since - INTERVAL '3 days', next_try_at = '-infinity'");
  await until(`/webhooks/${id}`, ({ dead_letters }) => dead_letters === 1);

  const watch = await shown(url);
  const { page, webhook } = watch;
  await webhook.getByText("fails", { exact: true }).waitFor();
  await webhook.getByRole("button", { name: "Failed deliveries: 0 waiting, 1 given up" }).click();
  await webhook.getByText("hooked, revision 1: the answer was 500").waitFor();
  await assertFits(page);
  assert.deepEqual((await audit(page, "webhooks")).filter(({ impact }) => ["serious", "critical"].includes(impact)), []);
  await picture(page, "webhooks");

  status = 200;
  await webhook.getByRole("button", { name: /^Replay change \d+$/ }).click();
  await page.getByRole("status").getByText("It will be sent again").waitFor();
  await webhook.getByRole("button", { name: "Failed deliveries: 0 waiting, 0 given up" }).waitFor();
  await webhook.getByText("None.", { exact: true }).waitFor();
  await webhook.getByText("delivers", { exact: true }).waitFor();
  assert.equal(received.length, 1);
  await closed(watch);
});
