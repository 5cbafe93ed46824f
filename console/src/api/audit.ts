// What operators have changed, as the audit trail has it, and what this operator may do.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { request } from "./admin.ts";
import type { FetchProblem } from "./fetch.ts";

/** A change that an operator has made. */
export interface Change {
  number: number;
  /** Unix seconds. */
  at: number;
  operator: string;
  /** The role of the database's session. */
  role: string;
  /** An address, or "command line". */
  from: string;
  action: string;
  app: number | null;
  target: string | null;
  differences: Difference[];
  /** A change of several steps that has not ended. */
  isUnfinished: boolean;
  requestId: string | null;
}

/** A field that is not as it was. */
export interface Difference {
  field: string;
  /** Null if there was nothing. */
  before: string | null;
  after: string | null;
}

export interface ChangePage {
  ok: true;
  changes: Change[];
  /** The number to go on before, or null if there are no more. */
  next: number | null;
}

/** A page of the changes of an app, or of all for 0. */
export async function loadChanges(app: number, before: number | null): Promise<ChangePage | FetchProblem> {
  const query = new URLSearchParams({ ...(app && { sdkappid: String(app) }), ...(before && { before: String(before) }) });
  const answer = await request(`/admin/v1/audit?${query}`);
  if (!answer.ok) return answer;
  const { entries, next } = isObject(answer.body) ? answer.body : {};
  return { ok: true, changes: Array.isArray(entries) ? entries.filter(isObject).map(read) : [], next: typeof next === "number" ? next : null };
}

/** The name and the scopes of the operator's token. */
export interface Token {
  name: string;
  scopes: string[];
}

export async function loadToken(): Promise<Token | null> {
  const answer = await request("/admin/v1/token");
  if (!answer.ok || !isObject(answer.body)) return null;
  const { name, scopes } = answer.body;
  return { name: String(name), scopes: Array.isArray(scopes) ? scopes.map(String) : [] };
}

/** Actions that take several steps. Their entry is written before the first, and gets its `after` at the end. */
const IN_STEPS = ["user erase", "app reset", "app delete", "import", "prune"];

export function read(item: JsonObject): Change {
  const text = (value: Json | undefined) => (typeof value === "string" ? value : null);
  const action = String(item.action ?? "");
  return {
    number: Number(item.number),
    at: Number(item.at),
    operator: String(item.operator ?? ""),
    role: String(item.role ?? ""),
    from: String(item.from ?? ""),
    action,
    app: typeof item.sdkappid === "number" ? item.sdkappid : null,
    target: text(item.target),
    differences: differences(item.before, item.after),
    isUnfinished: IN_STEPS.includes(action) && !isObject(item.after),
    requestId: text(item.request_id),
  };
}

/** The fields of both documents, those of inner objects with their path. */
function differences(before: Json | undefined, after: Json | undefined): Difference[] {
  const [was, is] = [fieldsOf(before, ""), fieldsOf(after, "")];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  const all = names.map((field) => ({ field, before: was[field] ?? null, after: is[field] ?? null }));
  // A new app without a name needs no line about it.
  return all.filter(({ before, after }) => before !== null || after !== "");
}

function fieldsOf(value: Json | undefined, path: string): Record<string, string> {
  if (!isObject(value)) return {};
  const found: Record<string, string> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (isObject(inner)) Object.assign(found, fieldsOf(inner, `${path}${name}.`));
    else if (Array.isArray(inner)) {
      if (inner.length > 0) found[path + name] = inner.map(String).join(", ");
    } else found[path + name] = String(inner);
  }
  return found;
}
