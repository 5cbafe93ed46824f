// The operators' API: apps and their settings. Open in `dev` to this machine, else by the operator token.

import { signal } from "@preact/signals";
import { isObject, type Json, type JsonObject } from "../json.ts";
import { fetchJson, type Fetched } from "./reach.ts";

const APPS = "/admin/v1/apps";

export type LimitName = string;

export interface App {
  sdkAppId: number;
  edition: string;
  directory: string;
  disabled: boolean;
  admins: string[];
  /** How many secret keys are good. */
  keys: number;
  limits: Record<LimitName, number>;
}

export const EDITIONS = ["trial", "standard", "pro", "pro_plus", "enterprise", "premium"];
export const DIRECTORIES: Record<string, string> = {
  open: "anyone",
  owners: "owners must be imported",
  strict: "both ends must be imported",
};

/** What an app has whose limits nobody changed. */
export const DEFAULT_LIMITS: Record<LimitName, number> = { marked: 1000, grouped: 1000, groups: 20, pinned: 50 };

/** The operator token, in this tab's memory alone. */
export const operatorToken = signal("");

/** The apps as last read; none while they may not be read. */
export const apps = signal<App[] | null>(null);
export const appLimits = signal<ReadonlyMap<number, Record<LimitName, number>>>(new Map());

/** Why there are none. 401 asks for the token. */
export const appsProblem = signal<{ status: number; problem: string } | null>(null);

function ask(path: string, method = "GET", body?: JsonObject): Promise<Fetched> {
  const headers: Record<string, string> = {};
  if (operatorToken.value) headers.authorization = `Bearer ${inHeader(operatorToken.value)}`;
  if (body) headers["content-type"] = "application/json";
  return fetchJson(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

/** As UTF-8, a character for each byte: `fetch` sends no others, and the service is to say what it thinks of them. */
function inHeader(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

export async function loadApps(): Promise<void> {
  const found = await ask(APPS);
  appsProblem.value = found.ok ? null : found;
  if (!found.ok) return;
  const list = isObject(found.body) ? found.body.apps : [];
  apps.value = Array.isArray(list) ? list.filter(isObject).map(readApp) : [];
  appLimits.value = new Map(apps.value.map(({ sdkAppId, limits }) => [sdkAppId, limits]));
}

/** What was done, with the secret key where one was made. */
export type Done = { ok: true; app: App; secretKey: string | null } | { ok: false; problem: string };

async function change(path: string, method: string, body?: JsonObject): Promise<Done> {
  const answer = await ask(path, method, body);
  if (!answer.ok) return { ok: false, problem: answer.problem };
  await loadApps();
  const shown = isObject(answer.body) ? answer.body : {};
  const key = shown.secret_key;
  return { ok: true, app: readApp(shown), secretKey: typeof key === "string" ? key : null };
}

export function createApp(body: JsonObject): Promise<Done> {
  return change(APPS, "POST", body);
}

/** Edition, directory, limits, whether it is disabled: what is absent stays. */
export function changeApp(sdkAppId: number, body: JsonObject): Promise<Done> {
  return change(`${APPS}/${sdkAppId}`, "PATCH", body);
}

export function addAdmin(sdkAppId: number, name: string): Promise<Done> {
  return change(`${APPS}/${sdkAppId}/admins/${encodeURIComponent(name)}`, "PUT");
}

export function removeAdmin(sdkAppId: number, name: string): Promise<Done> {
  return change(`${APPS}/${sdkAppId}/admins/${encodeURIComponent(name)}`, "DELETE");
}

export function rotateKey(sdkAppId: number): Promise<Done> {
  return change(`${APPS}/${sdkAppId}/rotate-key`, "POST", {});
}

/** The key before the newest is good no longer. */
export function retireKey(sdkAppId: number): Promise<Done> {
  return change(`${APPS}/${sdkAppId}/retire-key`, "POST", {});
}

export function readApp(item: JsonObject): App {
  const limits = isObject(item.limits) ? item.limits : {};
  return {
    sdkAppId: Number(item.sdkappid),
    edition: String(item.edition ?? ""),
    directory: String(item.directory ?? ""),
    disabled: item.disabled === true,
    admins: strings(item.admins),
    keys: Number(item.secret_keys ?? 1),
    limits: Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, Number(value)])),
  };
}

function strings(list: Json | undefined): string[] {
  return Array.isArray(list) ? list.map(String) : [];
}
