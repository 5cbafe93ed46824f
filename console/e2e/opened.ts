// The page of an `earmark dev`, as tests begin with it.

import { after, before } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { launch, open, type Watch } from "./browser.ts";
import { Service } from "./service.ts";

interface Started {
  service: Service;
  browser: Browser;
}

/** Starts an `earmark dev` and a browser for all tests of a file, and ends both after them. */
export function startForTests(use: (started: Started) => void): void {
  let started: Started | undefined;
  before(async () => {
    const [service, browser] = await Promise.all([Service.start(), launch()]);
    started = { service, browser };
    use(started);
  });
  after(async () => {
    await started?.browser.close();
    await started?.service.end();
  });
}

/** Opens the address that `dev` prints. */
export async function openSignedIn(browser: Browser, service: Service, options: BrowserContextOptions = {}): Promise<Watch> {
  const watch = await open(browser, service.origin, options);
  await watch.page.goto(service.link);
  await watch.page.getByRole("heading", { level: 1 }).waitFor();
  await watch.page.getByRole("button", { name: "Sign out" }).waitFor();
  return watch;
}

export async function openSignedOut(browser: Browser, service: Service, options: BrowserContextOptions = {}): Promise<Watch> {
  const watch = await openSignedIn(browser, service, options);
  await watch.page.getByRole("button", { name: "Sign out" }).click();
  await watch.page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  return watch;
}
