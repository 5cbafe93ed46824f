// Sends every request of the page, and notes whether the service answers.

import { signal } from "@preact/signals";
import type { Json } from "../json.ts";

/** Longer than the service waits for its database, which is three seconds. */
const TIMEOUT_MS = 15_000;
/** How often the page asks an unreachable service again. */
const PING_INTERVAL_MS = 2_000;

/** Whether the service answered the last request. */
export const isReachable = signal(true);

/** An answer of the service, with any status and any body. */
export interface Answer {
  status: number;
  text: string;
  /** The text as JSON, or undefined if it is not JSON. */
  body: Json | undefined;
  /** Time from the request to the last byte of the answer. */
  ms: number;
}

/** No answer came. The request may or may not have arrived. */
export interface NoAnswer {
  isLost: true;
}

export const NO_ANSWER = "Cannot reach the service.";

export async function request(url: string, init?: RequestInit): Promise<Answer | NoAnswer> {
  const start = performance.now();
  try {
    const response = await noted(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    return { status: response.status, text, body: parsed(text), ms: performance.now() - start };
  } catch {
    noteUnreachable();
    return { isLost: true };
  }
}

/** Like `fetch`, and notes whether the service answers. */
export async function noted(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  try {
    const response = await fetch(input, { ...init, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    isReachable.value = true;
    return response;
  } catch (error) {
    if (!init?.signal?.aborted) noteUnreachable();
    throw error;
  }
}

function noteUnreachable(): void {
  if (!isReachable.value) return;
  isReachable.value = false;
  setTimeout(pingUntilReachable, PING_INTERVAL_MS);
}

/**
 * The value of the header `authorization`. Encodes the token as UTF-8, with one character per byte: `fetch` throws for
 * characters above U+00FF in a header, but the service must receive a wrong token to be able to refuse it.
 */
export function bearer(token: string): string {
  return `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`;
}

export async function ping(): Promise<boolean> {
  await request("/console/session.json");
  return isReachable.value;
}

async function pingUntilReachable(): Promise<void> {
  if (!isReachable.value && !(await ping())) setTimeout(pingUntilReachable, PING_INTERVAL_MS);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** A JSON body, or the HTTP status and the service's message. */
export type FetchResult = { ok: true; body: Json } | { ok: false; status: number; problem: string };

/** For resources that report failures by HTTP status. The calls of the API always answer with 200. */
export async function fetchJson(url: string, init?: RequestInit): Promise<FetchResult> {
  const answer = await request(url, init);
  if ("isLost" in answer) return { ok: false, status: 0, problem: NO_ANSWER };
  if (answer.status >= 200 && answer.status < 300) return { ok: true, body: answer.body ?? null };
  return { ok: false, status: answer.status, problem: problemOf(answer) };
}

/** Like `fetchJson`, for a body that is not JSON. */
export async function fetchText(url: string, init?: RequestInit): Promise<{ ok: true; text: string } | { ok: false; problem: string }> {
  const answer = await request(url, init);
  if ("isLost" in answer) return { ok: false, problem: NO_ANSWER };
  if (answer.status >= 200 && answer.status < 300) return { ok: true, text: answer.text };
  return { ok: false, problem: problemOf(answer) };
}

function problemOf(answer: Answer): string {
  const details = answer.body as { title?: string; detail?: string } | undefined;
  return details?.detail || details?.title || answer.text || `HTTP ${answer.status}`;
}
