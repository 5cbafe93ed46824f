// The webhooks of an app, and the changes that could not be delivered to them.

import { isObject, type Json, type JsonObject } from "../json.ts";
import { request } from "./admin.ts";

export interface Webhook {
  id: number;
  url: string;
  disabled: boolean;
  /** Unix seconds; null if the last attempt succeeded. */
  failingSince: number | null;
  lastError: string | null;
  waiting: number;
  deadLetters: number;
}

/** A change that could not be delivered. */
export interface FailedDelivery {
  number: number;
  /** The user, or the member of the directory. */
  about: string;
  revision: number;
  attempts: number;
  lastError: string | null;
  dead: boolean;
}

export type Result<T> = { ok: true; found: T } | { ok: false; problem: string };

export async function loadWebhooks(sdkAppId: number): Promise<Result<Webhook[]>> {
  const answer = await request(path(sdkAppId));
  return answer.ok ? { ok: true, found: items(answer.body, "webhooks").map(readWebhook) } : answer;
}

export async function loadDeliveries(sdkAppId: number, webhook: number): Promise<Result<FailedDelivery[]>> {
  const answer = await request(`${path(sdkAppId)}/${webhook}/deliveries`);
  return answer.ok ? { ok: true, found: items(answer.body, "deliveries").map(readDelivery) } : answer;
}

/** Sends one dead letter again. */
export async function replay(sdkAppId: number, webhook: number, number: number): Promise<Result<null>> {
  const answer = await request(`${path(sdkAppId)}/${webhook}/replay`, "POST", { from: number, to: number });
  return answer.ok ? { ok: true, found: null } : answer;
}

function path(sdkAppId: number): string {
  return `/admin/v1/apps/${sdkAppId}/webhooks`;
}

function items(body: Json | undefined, name: string): JsonObject[] {
  const list = isObject(body) ? body[name] : [];
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function text(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function readWebhook(item: JsonObject): Webhook {
  return {
    id: Number(item.id),
    url: text(item.url) ?? "",
    disabled: item.disabled === true,
    failingSince: typeof item.failing_since === "number" ? item.failing_since : null,
    lastError: text(item.last_error),
    waiting: Number(item.waiting),
    deadLetters: Number(item.dead_letters),
  };
}

function readDelivery(item: JsonObject): FailedDelivery {
  const directory = isObject(item.directory) ? text(item.directory.id) : null;
  return {
    number: Number(item.number),
    about: text(item.user) ?? directory ?? "",
    revision: Number(item.revision),
    attempts: Number(item.attempts),
    lastError: text(item.last_error),
    dead: item.dead === true,
  };
}
