// The one place that asks the service for anything, and that knows whether it answers.

import { signal } from "@preact/signals";
import type { Json } from "../json.ts";

/** The longest wait for an answer. The service itself gives up on its database after three seconds. */
const PATIENCE_MS = 15_000;
/** How often a service that is gone is looked for. */
const LOOK_AGAIN_MS = 2_000;

/** Whether the service was there when last asked. */
export const reachable = signal(true);

/** An answer of the service, whatever it says. */
export interface Answer {
  status: number;
  /** As it came. */
  text: string;
  /** The same, if it is JSON. */
  body: Json | undefined;
  /** From sending to the last byte. */
  ms: number;
}

/** No answer came. Whether the request arrived is not known. */
export interface Silence {
  silent: true;
}

/** What is said wherever no answer came. */
export const SILENCE = "Cannot reach the service.";

export async function ask(url: string, init?: RequestInit): Promise<Answer | Silence> {
  const start = performance.now();
  try {
    const response = await fetch(url, {
      ...init,
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    reachable.value = true;
    return { status: response.status, text, body: parsed(text), ms: performance.now() - start };
  } catch {
    if (reachable.value) {
      reachable.value = false;
      setTimeout(lookAgain, LOOK_AGAIN_MS);
    }
    return { silent: true };
  }
}

/** Asks whether the service is back. */
export async function look(): Promise<boolean> {
  await ask("/console/session.json");
  return reachable.value;
}

async function lookAgain(): Promise<void> {
  if (!reachable.value && !(await look())) setTimeout(lookAgain, LOOK_AGAIN_MS);
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** A JSON document, or the service's own words for why there is none. */
export type Fetched = { ok: true; body: Json } | { ok: false; status: number; problem: string };

/** Asks for JSON with ordinary HTTP statuses. */
export async function fetchJson(url: string, init?: RequestInit): Promise<Fetched> {
  const answer = await ask(url, init);
  if ("silent" in answer) return { ok: false, status: 0, problem: SILENCE };
  if (answer.status >= 200 && answer.status < 300) return { ok: true, body: answer.body ?? null };
  return { ok: false, status: answer.status, problem: problemOf(answer) };
}

function problemOf(answer: Answer): string {
  const details = answer.body as { title?: string; detail?: string } | undefined;
  return details?.detail || details?.title || answer.text || `HTTP ${answer.status}`;
}
