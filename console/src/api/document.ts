// The service's OpenAPI document. Forms, reference and error codes are made from it.

import { computed, signal } from "@preact/signals";
import { get, isObject, type Json } from "../json.ts";
import type { Range } from "../limits.ts";
import { fetchJson } from "./fetch.ts";

/** The part of JSON Schema that the document uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  /** What an object needs as well, for the first of its kinds. */
  then?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  enum?: Json[];
  const?: Json;
  default?: Json;
  examples?: Json[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  /** For a list of bits: their names, by number or by `first..last`. */
  "x-bits"?: Record<string, string>;
  /** The meaning of each number. */
  "x-meanings"?: Record<string, string>;
  /** The longest text in bytes of UTF-8. `maxLength` counts characters. */
  "x-maxBytes"?: number;
  /** The name of the app's limit that sets this bound. */
  "x-limit"?: string;
}

/** One call of the API. */
export interface Call {
  id: string;
  path: string;
  family: string;
  summary: string;
  description: string;
  schema: Schema;
  examples: Example[];
  codes: number[];
  /** It changes nothing. */
  isReadOnly: boolean;
}

export interface Example {
  name: string;
  body: Json;
}

export interface ErrorCode {
  code: number;
  /** A short name for people. */
  name: string;
  /** The services that use the code with this meaning. Empty: all. */
  families: string[];
  meaning: string;
  provokedBy: string;
  remedy: string;
  level: string;
}

const document = signal<Json | undefined>(undefined);
/** Why the document could not be loaded. */
export const documentProblem = signal<string | null>(null);
export const isLoaded = computed(() => document.value !== undefined);

export async function loadDocument(): Promise<void> {
  const found = await fetchJson("/openapi.json");
  if (found.ok) document.value = found.body;
  documentProblem.value = found.ok ? null : found.problem;
}

export const calls = computed(() => readCalls(document.value));
export const errorCodes = computed(() => readCodes(document.value));
export const version = computed(() => String(get(document.value, ["info", "version"]) ?? ""));

/** The numbers that a limit of an app may have; null if the document does not say. */
export function limitRange(name: string): Range | null {
  const limit = get(document.value, ["components", "schemas", "LimitSettings", "properties", name]);
  const { minimum: min, maximum: max, default: usual } = isObject(limit) ? limit : {};
  return typeof min === "number" && typeof max === "number" && typeof usual === "number" ? { min, max, usual } : null;
}

/** The calls by family, in the document's order. */
export const families = computed(() => {
  const found = new Map<string, Call[]>();
  for (const call of calls.value) found.set(call.family, [...(found.get(call.family) ?? []), call]);
  return [...found].map(([name, calls]) => ({ name, title: FAMILY_TITLES[name] ?? name, calls }));
});

const FAMILY_TITLES: Record<string, string> = {
  recentcontact: "Marks and conversations",
  im_open_login_svc: "Accounts",
  group_open_http_svc: "Chat groups",
};

/** The meaning of a code in a family, or else its first meaning in any. */
export function explain(code: number, family?: string): ErrorCode | undefined {
  const known = errorCodes.value.filter((known) => known.code === code);
  return known.find(({ families }) => family !== undefined && families.includes(family)) ?? known[0];
}

/** Follows `$ref`, and merges the parts of `allOf`. */
export function resolve(schema: Schema): Schema {
  return resolved(document.value, schema);
}

export function resolved(root: Json | undefined, schema: Schema): Schema {
  if (schema.$ref) {
    const { $ref, ...besides } = schema;
    const steps = $ref.replace(/^#\//, "").split("/");
    const target = get(root, steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~")));
    return { ...resolved(root, (target ?? {}) as Schema), ...besides };
  }
  if (schema.allOf) {
    const { allOf, ...besides } = schema;
    return [...allOf.map((part) => resolved(root, part)), besides].reduce((whole, part) => ({
      ...whole,
      ...part,
      properties: { ...whole.properties, ...part.properties },
      required: [...(whole.required ?? []), ...(part.required ?? [])],
    }), {} as Schema);
  }
  return schema;
}

export function readCalls(root: Json | undefined): Call[] {
  const paths = get(root, ["paths"]);
  if (!isObject(paths)) return [];
  return Object.entries(paths).flatMap(([path, item]) => {
    const operation = get(item, ["post"]);
    if (!path.startsWith("/v4/") || !isObject(operation)) return [];
    const media = get(operation, ["requestBody", "content", "application/json"]);
    const codes = operation["x-codes"];
    return [{
      id: text(operation.operationId) || path.slice(path.lastIndexOf("/") + 1),
      path,
      family: path.split("/")[2] ?? "",
      summary: text(operation.summary),
      description: text(operation.description),
      schema: (get(media, ["schema"]) ?? {}) as Schema,
      examples: readExamples(media),
      codes: Array.isArray(codes) ? codes.map(codeNumber).filter(Number.isInteger) : [],
      isReadOnly: operation["x-readOnly"] === true,
    }];
  });
}

function readExamples(media: Json | undefined): Example[] {
  const named = get(media, ["examples"]);
  if (isObject(named)) {
    return Object.entries(named).map(([name, example]) => ({
      name: text(get(example, ["summary"])) || name,
      body: get(example, ["value"]) ?? {},
    }));
  }
  const single = get(media, ["example"]) ?? get(media, ["schema", "examples", 0]);
  return single === undefined ? [] : [{ name: "Example", body: single }];
}

function codeNumber(entry: Json): number {
  return Number(isObject(entry) ? entry.code : entry);
}

export function readCodes(root: Json | undefined): ErrorCode[] {
  const list = get(root, ["x-error-codes"]);
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((entry) => ({
    code: Number(entry.code),
    name: text(entry.name),
    families: listed(entry.families ?? entry.family).filter((family) => family !== "all"),
    meaning: text(entry.meaning),
    provokedBy: text(entry.provokedBy),
    remedy: text(entry.remedy),
    level: listed(entry.level).join(", "),
  }));
}

function listed(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(text) : typeof value === "string" && value ? [value] : [];
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
