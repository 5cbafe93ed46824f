// The export and the end of a user, the end of an app's state, and of an app. A large one takes several requests, which the page sends one after the other.

import { isObject, type JsonObject } from "../json.ts";
import { type Counts, NAMES } from "../receipt.ts";
import { APPS, credentials, loadApps, request } from "./admin.ts";
import { fetchText } from "./fetch.ts";

/** What was removed, by name, or why not all of it was. */
export type EndResult = { ok: true; removed: Counts } | { ok: false; problem: string };

export function resetApp(sdkAppId: number): Promise<EndResult> {
  return end(() => `${APPS}/${sdkAppId}/reset?confirm=${sdkAppId}`, "POST", {});
}

export async function deleteApp(sdkAppId: number): Promise<EndResult> {
  const result = await end(() => `${APPS}/${sdkAppId}?confirm=${sdkAppId}`, "DELETE");
  await loadApps();
  return result;
}

/** The file of `earmark export` for one user. */
export function exportUser(sdkAppId: number, user: string) {
  return fetchText(`${APPS}/${sdkAppId}/users/${encodeURIComponent(user)}/export`, { headers: credentials() });
}

export function eraseUser(sdkAppId: number, user: string): Promise<EndResult> {
  const id = encodeURIComponent(user);
  const after = (next: string | null) => (next === null ? "" : `&after=${encodeURIComponent(next)}`);
  return end((next) => `${APPS}/${sdkAppId}/users/${id}?confirm=${id}${after(next)}`, "DELETE");
}

/** Sends the request again, from where the answer before has come to, until all is done. Adds the counts up. */
async function end(path: (next: string | null) => string, method: string, body?: JsonObject): Promise<EndResult> {
  const removed: Record<string, number> = {};
  let next: string | null = null;
  for (;;) {
    const answer = await request(path(next), method, body);
    if (!answer.ok) return { ok: false, problem: answer.problem };
    const done = isObject(answer.body) ? answer.body : {};
    for (const name of Object.keys(NAMES)) removed[name] = (removed[name] ?? 0) + Number(done[name] ?? 0);
    if (done.complete !== false) return { ok: true, removed };
    next = typeof done.next === "string" ? done.next : null;
  }
}
