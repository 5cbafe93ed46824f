// Calls of the native API about one user, as the admin who is signed in.

import type { ConversationId, Patch } from "../../../clients/typescript/src/client.ts";
import { get, isObject, type Json } from "../json.ts";
import type { Failure } from "./conversations.ts";
import { NO_ANSWER } from "./fetch.ts";
import { fetchAs, type Session } from "./session.ts";

export type NativeResult = { ok: true; status: number; body: Json } | { ok: false; failure: Failure };

/** The codes that say that there were too many changes in one batch, because the app has a lower limit. */
const ITEM_COUNT = 51006;
/** Changes in one batch, if the app has no lower limit. */
const BATCH = 100;

export class UserApi {
  constructor(
    private readonly caller: Session,
    readonly user: string,
  ) {}

  /** `path` is below the user. */
  async call(method: string, path: string, body?: object): Promise<NativeResult> {
    const { sdkAppId, userSig } = this.caller;
    const headers: Record<string, string> = { authorization: `Bearer ${userSig}` };
    if (body) headers["content-type"] = "application/json";
    try {
      const url = `/v1/apps/${sdkAppId}/users/${encodeURIComponent(this.user)}${path}`;
      const response = await fetchAs(this.caller)(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      const answer = (await response.json().catch(() => null)) as Json;
      return response.ok ? { ok: true, status: response.status, body: answer } : { ok: false, failure: failureIn(answer, response.status) };
    } catch {
      return { ok: false, failure: { code: null, info: NO_ANSWER, isInDoubt: true } };
    }
  }

  /** How much of each limit the user may use. Null if the service does not say. */
  async limits(): Promise<Record<string, number> | null> {
    const answer = await this.call("GET", "");
    const limits = answer.ok ? get(answer.body, ["limits"]) : undefined;
    if (!isObject(limits)) return null;
    return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, Number(get(limit, ["max"]))]));
  }

  /** Changes many conversations. The failures are in the order of the changes; null is a change that was made. */
  async batch(changes: readonly (ConversationId & Patch)[], size = BATCH): Promise<(Failure | null)[]> {
    const failures: (Failure | null)[] = [];
    for (let from = 0; from < changes.length; from += size) {
      const part = changes.slice(from, from + size);
      const answer = await this.call("POST", "/batch", { changes: part });
      if (!answer.ok && answer.failure.code === ITEM_COUNT && part.length > 1) {
        failures.push(...(await this.batch(changes.slice(from), Math.ceil(part.length / 2))));
        return failures;
      }
      const results = answer.ok ? get(answer.body, ["results"]) : undefined;
      failures.push(...part.map((_, at) => (answer.ok ? resultIn(get(results, [at])) : answer.failure)));
    }
    return failures;
  }
}

function failureIn(body: Json, status: number): Failure {
  const { code, detail, title, type } = isObject(body) ? body : {};
  const info = String(detail ?? title ?? `HTTP ${status}`);
  return { code: typeof code === "number" ? code : null, info, isInDoubt: type === "urn:earmark:problem:in-doubt" };
}

function resultIn(result: Json | undefined): Failure | null {
  const status = Number(get(result, ["status"]));
  return status >= 200 && status < 300 ? null : failureIn(result ?? null, status);
}
