// Why the service has refused the last requests of an app, as the process that answers remembers it.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { APPS, request } from "./admin.ts";
import type { FetchProblem } from "./fetch.ts";

/** Requests that were refused for the same reason. */
export interface RefusedRequest {
  /** Unix seconds of the last of them. */
  at: number;
  requestId: string;
  call: string;
  code: number;
  /** Empty if only items were refused. */
  info: string;
  user: string | null;
  /** Refused items, and of how many. Null if the whole request was refused. */
  items: { refused: number; of: number } | null;
  times: number;
}

export async function loadRefused(sdkAppId: number): Promise<{ ok: true; found: RefusedRequest[] } | FetchProblem> {
  const answer = await request(`${APPS}/${sdkAppId}/refused`);
  if (!answer.ok) return answer;
  const list = isObject(answer.body) ? answer.body.refused : [];
  return { ok: true, found: Array.isArray(list) ? list.filter(isObject).map(read) : [] };
}

function read(item: JsonObject): RefusedRequest {
  const number = (value: Json | undefined) => (typeof value === "number" ? value : 0);
  return {
    at: number(item.at),
    requestId: String(item.request_id ?? ""),
    call: String(item.call ?? ""),
    code: number(item.code),
    info: String(item.info ?? ""),
    user: typeof item.user === "string" ? item.user : null,
    items: typeof item.items === "number" ? { refused: number(item.refused_items), of: item.items } : null,
    times: number(item.times),
  };
}
