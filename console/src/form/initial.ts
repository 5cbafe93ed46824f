// The initial value of a field that the user adds.

import { resolve, type Schema } from "../api/document.ts";
import type { Json } from "../json.ts";

export function initial(schema: Schema): Json {
  if (schema.default !== undefined) return schema.default;
  const choices = choicesOf(schema);
  if (choices[0]) return choices[0].value;
  switch (kindOf(schema)) {
    case "array":
      return (schema.minItems ?? 0) > 0 && !schema["x-bits"] ? [initial(resolve(schema.items ?? {}))] : [];
    case "object":
      return Object.fromEntries(
        needed(schema).map((name) => [name, initial(resolve(schema.properties?.[name] ?? {}))]),
      );
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    default:
      return "";
  }
}

/** The required fields, and those of the first alternative. */
export function needed(schema: Schema): string[] {
  const first = [schema.then, schema.oneOf?.[0], schema.anyOf?.[0]].filter((part) => part !== undefined);
  return [...new Set([...(schema.required ?? []), ...first.flatMap(needed)])];
}

/** The type of a schema, without `null`: the service treats `null` as absent. */
export function kindOf(schema: Schema): string {
  const implied = schema.properties ? "object" : typeof schema.enum?.[0] === "number" ? "integer" : "string";
  const types = Array.isArray(schema.type) ? schema.type : [schema.type ?? implied];
  return types.find((type) => type !== "null") ?? "string";
}

export interface Choice {
  value: Json;
  title: string;
}

/** The allowed values, if the schema lists them. */
export function choicesOf(schema: Schema): Choice[] {
  const meanings = schema["x-meanings"];
  if (schema.enum) return schema.enum.map((value) => ({ value, title: meanings?.[String(value)] ?? String(value) }));
  const constants = (schema.oneOf ?? schema.anyOf ?? []).filter((choice) => choice.const !== undefined);
  return constants.map(({ const: value, title, description }) => ({
    value: value!,
    title: title ?? description ?? String(value),
  }));
}

/** A range for people: "1 to 100 items". Empty if there are no bounds. */
export function span(min: number | undefined, max: number | undefined, unit = ""): string {
  if (min === undefined && max === undefined) return "";
  const [least, most] = [min?.toLocaleString("en"), max?.toLocaleString("en")];
  const numbers = most === undefined ? `at least ${least}` : least === undefined ? `at most ${most}` : `${least} to ${most}`;
  return `${numbers} ${unit}`.trim();
}
