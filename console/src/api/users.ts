// Finds users of an app by how their ids begin. It needs the operator token.

import { isObject } from "../json.ts";
import { APPS, request } from "./admin.ts";
import type { FetchProblem } from "./fetch.ts";

export interface FoundUsers {
  ok: true;
  users: string[];
  /** The last of them, if there are more. */
  next: string | null;
}

/** `after` is the last user that is known already. */
export async function findUsers(sdkAppId: number, prefix: string, after: string | null): Promise<FoundUsers | FetchProblem> {
  const query = new URLSearchParams({ prefix, ...(after !== null && { after }) });
  const answer = await request(`${APPS}/${sdkAppId}/users?${query}`);
  if (!answer.ok) return answer;
  const { users, next } = isObject(answer.body) ? answer.body : {};
  return { ok: true, users: Array.isArray(users) ? users.map(String) : [], next: typeof next === "string" ? next : null };
}
