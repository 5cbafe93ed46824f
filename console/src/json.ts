// JSON for the editor: formats it for reading, changes one value of it, and splits it into coloured pieces.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };
/** Names and indexes that lead from the root to a value. */
export type Path = readonly (string | number)[];

/** An array or object that fits into this many characters stays on one line. */
const LINE = 64;

export function format(value: Json, indent = ""): string {
  const line = oneLine(value);
  if (indent.length + line.length <= LINE && !(indent === "" && isObject(value))) return line;
  const deeper = indent + "  ";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((item) => deeper + format(item, deeper)).join(",\n")}\n${indent}]`;
  }
  if (isObject(value)) {
    const members = Object.entries(value);
    if (members.length === 0) return "{}";
    const lines = members.map(([name, member]) => `${deeper}${JSON.stringify(name)}: ${format(member, deeper)}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  return line;
}

function oneLine(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${oneLine(member)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function get(value: Json | undefined, path: Path): Json | undefined {
  let here = value;
  for (const step of path) {
    if (typeof step === "number" && Array.isArray(here)) here = here[step];
    else if (typeof step === "string" && isObject(here) && Object.hasOwn(here, step)) here = here[step];
    else return undefined;
  }
  return here;
}

/** Copies a value and changes the copy at a path. `undefined` removes the value there. Creates missing parents. */
export function set(value: Json | undefined, path: Path, to: Json | undefined): Json | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return to;
  if (typeof step === "number") {
    const list = Array.isArray(value) ? [...value] : [];
    const item = set(list[step], rest, to);
    if (item === undefined) list.splice(step, 1);
    else list[step] = item;
    return list;
  }
  const members = isObject(value) ? Object.entries(value) : [];
  const member = set(isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined, rest, to);
  const kept = members.filter(([name]) => name !== step || member !== undefined);
  const at = kept.findIndex(([name]) => name === step);
  if (member !== undefined) kept.splice(at < 0 ? kept.length : at, at < 0 ? 0 : 1, [step, member]);
  // An assignment would lose a member that is named `__proto__`.
  return Object.fromEntries(kept);
}

/** Splits an `ErrorInfo` such as `MarkItem[0].SetMark[1]: 64 is not a bit` into the path and the problem. */
export function parseProblem(info: string): { path: Path; problem: string } | null {
  const match = /^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*): (.+)$/s.exec(info);
  if (!match) return null;
  const steps = match[1]!.match(/\w+/g)!;
  return { path: steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step)), problem: match[2]! };
}

export type Piece = { text: string; kind: "name" | "text" | "number" | "word" | "plain" };

const TOKEN = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)|[^"\-\dtfn]+|./gs;

/** Splits a text into pieces of one colour. The pieces joined are the text, also if it is not JSON. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  for (const [whole, quoted, colon, number, word] of text.matchAll(TOKEN)) {
    if (quoted !== undefined) {
      found.push({ text: quoted, kind: colon === undefined ? "text" : "name" });
      if (colon !== undefined) found.push({ text: colon, kind: "plain" });
    } else {
      found.push({ text: whole, kind: number !== undefined ? "number" : word !== undefined ? "word" : "plain" });
    }
  }
  return found;
}
