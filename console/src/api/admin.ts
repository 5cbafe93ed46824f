// The operators' API: apps and their settings. It needs a token: `earmark dev` prints one in the address of the console.

import { signal } from "@preact/signals";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { bearer, fetchJson, type FetchProblem, type FetchResult } from "./fetch.ts";
import { linkToken } from "./link.ts";

export const APPS = "/admin/v1/apps";

export type LimitName = string;

/** A valid secret key. Times are Unix seconds. */
export interface Key {
  id: number;
  createdAt: number;
  /** Null if no request has used the key. */
  lastUsedAt: number | null;
}

export interface App {
  sdkAppId: number;
  /** Empty if it has none. */
  name: string;
  edition: string;
  directory: string;
  disabled: boolean;
  admins: string[];
  userAccess: string;
  /** Web sites whose pages may call the native API. */
  allowedOrigins: string[];
  /** The valid secret keys, newest first. */
  keys: Key[];
  limits: Record<LimitName, number>;
}

export const EDITIONS = ["trial", "standard", "pro", "pro_plus", "enterprise", "ultimate", "premium"];
export const DIRECTORIES: Record<string, string> = {
  open: "any UserID",
  owners: "owners must be imported",
  strict: "owners and peers must be imported",
};

/** What users may do with their own state through the native API. */
export const USER_ACCESS: Record<string, string> = {
  none: "users may not call",
  read: "users read their own state",
  write: "users read and change their own state",
};

/** Kept in the memory of this tab only. */
export const operatorToken = signal(linkToken);

/** The apps as last read, or null if the console was not allowed to read them. */
export const apps = signal<App[] | null>(null);

/** Why the last read failed. Status 401: the service asks for the operator token. */
export const appsProblem = signal<FetchProblem | null>(null);

/** The header with the operator token, if there is one. */
export function credentials(): Record<string, string> {
  return operatorToken.value ? { authorization: bearer(operatorToken.value) } : {};
}

/** Calls the admin API with the operator token. */
export function request(path: string, method = "GET", body?: JsonObject): Promise<FetchResult> {
  const headers = credentials();
  if (body) headers["content-type"] = "application/json";
  return fetchJson(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

export async function loadApps(): Promise<void> {
  const found = await request(APPS);
  appsProblem.value = found.ok ? null : found;
  if (!found.ok) return;
  const list = isObject(found.body) ? found.body.apps : [];
  apps.value = Array.isArray(list) ? list.filter(isObject).map(readApp) : [];
}

/** The changed app, and the new secret key if the change made one. */
export type ChangeResult = { ok: true; app: App; secretKey: string | null } | FetchProblem;

async function change(path: string, method: string, body?: JsonObject): Promise<ChangeResult> {
  const answer = await request(path, method, body);
  if (!answer.ok) return answer;
  await loadApps();
  const shown = isObject(answer.body) ? answer.body : {};
  const key = shown.secret_key;
  return { ok: true, app: readApp(shown), secretKey: typeof key === "string" ? key : null };
}

export function createApp(body: JsonObject): Promise<ChangeResult> {
  return change(APPS, "POST", body);
}

/** Changes name, edition, directory, limits, the disabled flag, or who may call the native API. Fields that are absent keep their value. */
export function changeApp(sdkAppId: number, body: JsonObject): Promise<ChangeResult> {
  return change(`${APPS}/${sdkAppId}`, "PATCH", body);
}

export function addAdmin(sdkAppId: number, name: string): Promise<ChangeResult> {
  return change(`${APPS}/${sdkAppId}/admins/${encodeURIComponent(name)}`, "PUT");
}

export function removeAdmin(sdkAppId: number, name: string): Promise<ChangeResult> {
  return change(`${APPS}/${sdkAppId}/admins/${encodeURIComponent(name)}`, "DELETE");
}

/** Adds a key. `force` ends the validity of the older key if two are valid. */
export function rotateKey(sdkAppId: number, force: boolean): Promise<ChangeResult> {
  return change(`${APPS}/${sdkAppId}/rotate-key`, "POST", { force });
}

/** Ends the validity of a key. */
export function retireKey(sdkAppId: number, id: number): Promise<ChangeResult> {
  return change(`${APPS}/${sdkAppId}/keys/${id}`, "DELETE");
}

function readKey(item: JsonObject): Key {
  const { id, created_at: createdAt, last_used_at: lastUsedAt } = item;
  return { id: Number(id), createdAt: Number(createdAt), lastUsedAt: typeof lastUsedAt === "number" ? lastUsedAt : null };
}

export function readApp(item: JsonObject): App {
  const limits = isObject(item.limits) ? item.limits : {};
  return {
    sdkAppId: Number(item.sdkappid),
    name: String(item.name ?? ""),
    edition: String(item.edition ?? ""),
    directory: String(item.directory ?? ""),
    disabled: item.disabled === true,
    admins: strings(item.admins),
    userAccess: String(item.user_access ?? ""),
    allowedOrigins: strings(item.allowed_origins),
    keys: Array.isArray(item.secret_keys) ? item.secret_keys.filter(isObject).map(readKey) : [],
    limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, Number(value)])),
  };
}

function strings(list: Json | undefined): string[] {
  return Array.isArray(list) ? list.map(String) : [];
}
