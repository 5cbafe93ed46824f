// Sends calls of the API, and reads the parts that all answers share.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { request, type Answer, type NoAnswer } from "./fetch.ts";
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

/** What an answer says as a whole. */
export type Verdict =
  | { kind: "ok" }
  /** Some of its items were refused, the others are done. */
  | { kind: "partial"; refused: number; items: number }
  | { kind: "refused"; code: number }
  /** Not an answer of the API, for example the page of a proxy. */
  | { kind: "unknown" };

export function verdict(body: Json | undefined): Verdict {
  const code = isObject(body) ? body.ErrorCode : undefined;
  if (typeof code !== "number") return { kind: "unknown" };
  if (code !== 0) return { kind: "refused", code };
  const items = results(body as JsonObject);
  const refused = items.filter((item) => item.code !== 0).length;
  return refused > 0 ? { kind: "partial", refused, items: items.length } : { kind: "ok" };
}

/** A verdict for people: "2 of 3 refused". */
export function verdictText(found: Verdict): string {
  switch (found.kind) {
    case "ok":
      return "OK";
    case "partial":
      return `${found.refused} of ${found.items} refused`;
    case "refused":
      return String(found.code);
    case "unknown":
      return "not an answer of the API";
  }
}
