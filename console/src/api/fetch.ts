// Sends every request of the page, and notes whether the service answers.

import { signal } from "@preact/signals";
import type { Json } from "../json.ts";
import { isLogged, note } from "./log.ts";

/** Longer than the service waits for its database, which is three seconds. */
const TIMEOUT_MS = 15_000;
/** How often the page asks an unreachable service again. */
const PING_INTERVAL_MS = 2_000;

/** Whether the service answered the last request. */
export const isReachable = signal(true);
/** How often the service was back after it could not be reached. What failed meanwhile is read again. */
export const recoveries = signal(0);

/** An answer of the service, with any status and any body. */
export interface Answer {
  status: number;
  text: string;
  /** The text as JSON, or undefined if it is not JSON. */
  body: Json | undefined;
  /** Time from the request to the last byte of the answer. */
  ms: number;
  /** With which the service's log names the request. */
  requestId: string | null;
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
    return { status: response.status, text, body: parsed(text), ms: performance.now() - start, requestId: requestIdOf(response) };
  } catch {
    noteUnreachable();
    return { isLost: true };
  }
}

/** Like `fetch`, notes whether the service answers, and logs the call. */
export async function noted(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const [start, at] = [performance.now(), Date.now()];
  try {
    const response = await fetch(input, { ...init, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
    logged(input, init, at, start, response);
    if (!isReachable.value) recoveries.value += 1;
    isReachable.value = true;
    return response;
  } catch (error) {
    if (!init?.signal?.aborted) {
      logged(input, init, at, start, null);
      noteUnreachable();
    }
    throw error;
  }
}

function logged(input: RequestInfo | URL, init: RequestInit | undefined, at: number, start: number, response: Response | null): void {
  const { pathname: path } = new URL(String(input), location.href);
  if (!isLogged(path)) return;
  const body = typeof init?.body === "string" ? init.body : "";
  const [method, status] = [init?.method ?? "GET", response?.status ?? 0];
  note({ at, method, path, body, status, requestId: response && requestIdOf(response), ms: performance.now() - start }, response);
}

function requestIdOf(response: Response): string | null {
  return response.headers.get("x-request-id");
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

/** Why a request failed. */
export interface FetchProblem {
  ok: false;
  /** 0 if no answer came. */
  status: number;
  /** The service's message. */
  problem: string;
  /** The path of the field that is wrong, or null. */
  field: string | null;
}

/** What is wrong, without the path of the field: for where the field is shown. */
export function wordsOf({ problem, field }: Pick<FetchProblem, "problem" | "field">): string {
  return field !== null && problem.startsWith(`${field}: `) ? problem.slice(field.length + 2) : problem;
}

export type FetchResult = { ok: true; body: Json } | FetchProblem;

/** For resources that report failures by HTTP status. The calls of the original's API always answer with 200. */
export async function fetchJson(url: string, init?: RequestInit): Promise<FetchResult> {
  const answer = await request(url, init);
  return isGood(answer) ? { ok: true, body: answer.body ?? null } : problemOf(answer);
}

/** Like `fetchJson`, for a body that is not JSON. */
export async function fetchText(url: string, init?: RequestInit): Promise<{ ok: true; text: string } | FetchProblem> {
  const answer = await request(url, init);
  return isGood(answer) ? { ok: true, text: answer.text } : problemOf(answer);
}

function isGood(answer: Answer | NoAnswer): answer is Answer {
  return !("isLost" in answer) && answer.status >= 200 && answer.status < 300;
}

function problemOf(answer: Answer | NoAnswer): FetchProblem {
  if ("isLost" in answer) return { ok: false, status: 0, problem: NO_ANSWER, field: null };
  const { title, detail, field } = (answer.body ?? {}) as { title?: string; detail?: string; field?: string };
  const problem = detail || title || answer.text || `HTTP ${answer.status}`;
  return { ok: false, status: answer.status, problem, field: field ?? null };
}
