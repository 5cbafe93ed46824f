// The calls that this tab has sent, newest first. They are in memory only, without credentials.

import { signal } from "@preact/signals";
import { isObject, type Json } from "../json.ts";
import { verdict, verdictText } from "./call.ts";

export interface LoggedCall {
  nr: number;
  /** Unix milliseconds. */
  at: number;
  method: string;
  /** Without the query, which has a UserSig. */
  path: string;
  /** Empty if the request had none. */
  body: string;
  /** 0 if no answer came. */
  status: number;
  requestId: string | null;
  /** Until the head of the answer came. */
  ms: number;
  /** The beginning of the answer. Null until it is read, and for answers that may have a secret key. */
  answer: string | null;
}

/** The oldest calls go. */
const CALLS_MAX = 200;
const TEXT_MAX = 20_000;

export const calls = signal<readonly LoggedCall[]>([]);
let count = 0;

/** Calls of the three APIs. What the page reads again and again is left out: metrics, and the users that are found at each key. */
export function isLogged(path: string): boolean {
  return /^\/(v4\/|v1\/apps\/|admin\/v1\/)/.test(path) && !/^\/admin\/v1\/(metrics|apps\/\d+\/users)$/.test(path);
}

/** The page sends no secret to the admin API, but its answers may have a new key. A stream of events has no end. */
function hasReadableAnswer(path: string): boolean {
  return !path.startsWith("/admin/") && !path.endsWith("/events");
}

export function note(call: Omit<LoggedCall, "nr" | "answer">, response: Response | null): void {
  const nr = ++count;
  const body = call.body.slice(0, TEXT_MAX);
  calls.value = [{ ...call, body, nr, answer: null }, ...calls.value].slice(0, CALLS_MAX);
  if (!response || !hasReadableAnswer(call.path)) return;
  const keep = (text: string) => {
    calls.value = calls.value.map((one) => (one.nr === nr ? { ...one, answer: text.slice(0, TEXT_MAX) } : one));
  };
  void response.clone().text().then(keep, () => {});
}

export interface Outcome {
  kind: "good" | "warn" | "bad";
  text: string;
}

/** What became of a call, for people. */
export function outcome({ path, status, answer }: LoggedCall): Outcome {
  if (status === 0) return { kind: "bad", text: "no answer" };
  const body = parsed(answer);
  if (path.startsWith("/v4/")) {
    const found = verdict(body);
    return { kind: found.kind === "ok" ? "good" : found.kind === "partial" ? "warn" : "bad", text: verdictText(found) };
  }
  const code = isObject(body) && typeof body.code === "number" ? ` · ${body.code}` : "";
  return { kind: status < 400 ? "good" : "bad", text: `${status}${code}` };
}

function parsed(text: string | null): Json | undefined {
  try {
    return text === null ? undefined : (JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
}
