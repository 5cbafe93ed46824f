// Calls of the API: one way to send them, and what their answers have in common.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { ask, SILENCE, type Answer, type Silence } from "./reach.ts";
import type { Session } from "./session.ts";

/** The query that each call carries. */
export function query(session: Session, random: number): URLSearchParams {
  return new URLSearchParams({
    sdkappid: String(session.sdkAppId),
    identifier: session.identifier,
    usersig: session.userSig,
    random: String(random),
    contenttype: "json",
  });
}

/** Sends a body as it was typed. */
export function send(path: string, body: string, session: Session): Promise<Answer | Silence> {
  const random = crypto.getRandomValues(new Uint32Array(1))[0]!;
  return ask(`${path}?${query(session, random)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
}

/** A failure in the service's own words. `unknown`: it may have been done all the same. */
export interface Failure {
  code: number | null;
  info: string;
  unknown: boolean;
}

export type Done = { ok: true; body: JsonObject } | { ok: false; failure: Failure };

/** The database did not answer in time: what was asked for may have been done. */
const TIMEOUT = 50005;

/** Sends a call that the console itself composed; refused items count as failures. */
export async function call(path: string, body: Json, session: Session): Promise<Done> {
  const answer = await send(path, JSON.stringify(body), session);
  if ("silent" in answer) return { ok: false, failure: { code: null, info: SILENCE, unknown: true } };
  const failure = failureOf(answer);
  return failure ? { ok: false, failure } : { ok: true, body: answer.body as JsonObject };
}

function failureOf(answer: Answer): Failure | null {
  const { body } = answer;
  if (!isObject(body) || typeof body.ErrorCode !== "number") {
    return { code: null, info: `HTTP ${answer.status}: ${answer.text.slice(0, 200)}`, unknown: true };
  }
  if (body.ErrorCode !== 0) return failed(body.ErrorCode, body.ErrorInfo);
  const refused = results(body).find((result) => result.code !== 0);
  return refused ? failed(refused.code, refused.info) : null;
}

function failed(code: number, info: Json | undefined): Failure {
  return { code, info: String(info ?? ""), unknown: code === TIMEOUT };
}

/** What became of one item of a request. */
export interface Result {
  /** The conversation, account or group that it is about. */
  subject: string;
  code: number;
  info: string;
}

/** The items of an answer, wherever its call puts them. */
export function results(body: JsonObject): Result[] {
  const found: Result[] = [];
  const visit = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (isObject(value)) {
      const code = value.ResultCode;
      if (typeof code === "number") {
        found.push({ subject: subject(value), code, info: String(value.ResultInfo ?? "") });
      } else {
        Object.values(value).forEach(visit);
      }
    }
  };
  Object.values(body).forEach(visit);
  return found;
}

function subject(item: JsonObject): string {
  const named = [item.ContactItem, item.RecentContactItem].find(isObject) ?? item;
  const id = named.To_Account ?? named.ToGroupId ?? named.GroupId ?? named.UserID;
  return typeof id === "string" ? id : "";
}
