// Sends calls of the API, and reads the parts that all answers share.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { NO_ANSWER, request, type Answer, type NoAnswer } from "./fetch.ts";
import type { Session } from "./session.ts";

export function query(session: Session, random: number): URLSearchParams {
  return new URLSearchParams({
    sdkappid: String(session.sdkAppId),
    identifier: session.identifier,
    usersig: session.userSig,
    random: String(random),
    contenttype: "json",
  });
}

/** Sends a body unchanged, also if it is not JSON. */
export function send(path: string, body: string, session: Session): Promise<Answer | NoAnswer> {
  const random = crypto.getRandomValues(new Uint32Array(1))[0]!;
  return request(`${path}?${query(session, random)}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
}

export interface Failure {
  /** Null if the service sent no code. */
  code: number | null;
  /** The service's message. */
  info: string;
  /** The service may have made the change. */
  isInDoubt: boolean;
}

export type CallResult = { ok: true; body: JsonObject } | { ok: false; failure: Failure };

/** The database did not answer in time. The service may have made the change. */
const TIMEOUT = 50005;

/** Sends a call of the console's own. Fails also if the service refuses one of its items. */
export async function call(path: string, body: Json, session: Session): Promise<CallResult> {
  const answer = await send(path, JSON.stringify(body), session);
  if ("isLost" in answer) return { ok: false, failure: { code: null, info: NO_ANSWER, isInDoubt: true } };
  const failure = failureOf(answer);
  return failure ? { ok: false, failure } : { ok: true, body: answer.body as JsonObject };
}

function failureOf(answer: Answer): Failure | null {
  const { body } = answer;
  if (!isObject(body) || typeof body.ErrorCode !== "number") {
    return { code: null, info: `HTTP ${answer.status}: ${answer.text.slice(0, 200)}`, isInDoubt: true };
  }
  if (body.ErrorCode !== 0) return failed(body.ErrorCode, body.ErrorInfo);
  const refused = results(body).find((result) => result.code !== 0);
  return refused ? failed(refused.code, refused.info) : null;
}

function failed(code: number, info: Json | undefined): Failure {
  return { code, info: String(info ?? ""), isInDoubt: code === TIMEOUT };
}

/** The result of one item of a request. */
export interface ItemResult {
  /** The id of the conversation, account or chat group. */
  subject: string;
  code: number;
  info: string;
}

/** All item results of an answer. Each call nests them in another place. */
export function results(body: JsonObject): ItemResult[] {
  const found: ItemResult[] = [];
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
