// Headless Chromium, and the checks that every page must pass.

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
/** Where tests leave screenshots for people to look at. */
const PICTURES = "../target/console";
/** Screenshots that the documents show. */
const PUBLISHED = /^(console|(lookup|overview)-(light|dark)(-phone)?)$/;

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A page, and what the browser reports about it. */
export interface Watch {
  page: Page;
  /** Errors and warnings in the console, exceptions, violations of the policy, requests to other servers. */
  offences: string[];
  /** Size of each answer on the wire, head and body. */
  sizes: Promise<{ path: string; bytes: number }>[];
}

export async function open(browser: Browser, origin: string, options: BrowserContextOptions = {}): Promise<Watch> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1.5, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const offences: string[] = [];
  const sizes: Watch["sizes"] = [];
  page.on("console", (message) => {
    // A browser reports each answer of the native API that is a problem.
    const isProblem = message.text().startsWith("Failed to load resource") && message.location().url.startsWith(`${origin}/v1/`);
    if (["error", "warning"].includes(message.type()) && !isProblem) offences.push(`console: ${message.text()}`);
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
  page.on("requestfinished", (request) => {
    const path = new URL(request.url()).pathname;
    // A page that is closed has no sizes any more.
    const unknown = { responseHeadersSize: 0, responseBodySize: 0 };
    const size = request.sizes().catch(() => unknown);
    sizes.push(size.then(({ responseHeadersSize, responseBodySize }) => ({ path, bytes: responseHeadersSize + responseBodySize })));
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return { page, offences, sizes };
}

/** Closes the page, which the browser must have had nothing to report about. */
export async function closed({ page, offences }: Watch): Promise<void> {
  await page.context().close();
  assert.deepEqual(offences, []);
}

export interface Finding {
  where: string;
  impact: string;
  rule: string;
  nodes: string[];
}

let axe: string | undefined;

/** Runs axe in the page. DevTools evaluates its script, so the page's policy stays in force. */
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

/** Takes a screenshot. With PUBLISH_PICTURES set, also updates those in docs/images. */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: `${PICTURES}/${name}.png` });
  if (process.env.PUBLISH_PICTURES && PUBLISHED.test(name)) await writeFile(`../docs/images/${name}.webp`, await webp(page));
}

async function webp(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82 });
  await session.detach();
  return Buffer.from(data, "base64");
}

/** The page must not scroll sideways. */
export async function assertFits(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [number, number];
  assert.ok(content <= window, `${page.url()}: the content is ${content} pixels wide, the window ${window}`);
}
