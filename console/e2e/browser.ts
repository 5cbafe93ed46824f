// Headless Chromium, and what must hold of every page that it shows.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** What a test leaves for people to look at. */
const PICTURES = "../target/console";
/** Those that documents show. */
const PUBLISHED = ["console", "lookup-dark", "lookup-light-phone"];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** What a page did that it must not do. */
export interface Watch {
  page: Page;
  /** Errors and warnings in the console, exceptions, violations of the policy, requests to elsewhere. */
  offences: string[];
  /** Bytes over the wire, by path, of what the page itself is made of. */
  bytes: Map<string, number>;
}

export async function open(browser: Browser, origin: string, options: BrowserContextOptions = {}): Promise<Watch> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1.5, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const offences: string[] = [];
  const bytes = new Map<string, number>();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) offences.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => offences.push(`exception: ${error.message}`));
  page.on("dialog", (dialog) => {
    offences.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:") offences.push(`request to ${url.origin}`);
  });
  page.on("requestfinished", async (request) => {
    const { responseHeadersSize, responseBodySize } = await request.sizes().catch(() => ({ responseHeadersSize: 0, responseBodySize: 0 }));
    bytes.set(new URL(request.url()).pathname, responseHeadersSize + responseBodySize);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return { page, offences, bytes };
}

export interface Finding {
  where: string;
  impact: string;
  rule: string;
  nodes: string[];
}

let axe: string | undefined;

/** What axe finds; it is put in beside the page's own scripts, so that the policy stays as it is. */
export async function audit(page: Page, where: string): Promise<Finding[]> {
  axe ??= await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe);
  const violations = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations)")) as {
    id: string;
    impact: string;
    nodes: { target: string[]; failureSummary: string }[];
  }[];
  return violations.map(({ id, impact, nodes }) => ({
    where,
    impact,
    rule: id,
    nodes: nodes.map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`),
  }));
}

/** A picture as a build result; asked to, some of them for the README too. */
export async function picture(page: Page, name: string): Promise<void> {
  const image = await webp(page);
  await mkdir(PICTURES, { recursive: true });
  await writeFile(`${PICTURES}/${name}.webp`, image);
  if (process.env.PUBLISH_PICTURES && PUBLISHED.includes(name)) await writeFile(`../docs/images/${name}.webp`, image);
}

async function webp(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82 });
  await session.detach();
  return Buffer.from(data, "base64");
}

/** Nothing sticks out to the right. */
export async function assertFits(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [number, number];
  assert.ok(content <= window, `${page.url()}: ${content} pixels wide in a window of ${window}`);
}
