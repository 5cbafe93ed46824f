// What was typed and what was answered, call by call. It outlives every change of view.

import { signal, type Signal } from "@preact/signals";
import type { Call } from "../api/document.ts";
import type { Answer, Silence } from "../api/reach.ts";
import { initial } from "../form/initial.ts";
import { format, isObject, type Json, type Path, parseProblem, set } from "../json.ts";
import { resolve } from "../api/document.ts";

export interface Sent {
  /** The body that was sent. */
  body: string;
  result: Answer | Silence;
}

export interface Draft {
  /** The body, as typed. */
  text: Signal<string>;
  sent: Signal<Sent | null>;
  sending: Signal<boolean>;
}

const drafts = new Map<string, Draft>();

export function draftOf(call: Call): Draft {
  let draft = drafts.get(call.id);
  if (!draft) {
    const body = call.examples[0]?.body ?? initial(resolve(call.schema));
    draft = { text: signal(format(body)), sent: signal(null), sending: signal(false) };
    drafts.set(call.id, draft);
  }
  return draft;
}

/** The text as JSON, or why it is none. */
export function read(text: string): { ok: true; value: Json } | { ok: false; problem: string } {
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Changes one place of the text; the rest keeps its values. */
export function change(draft: Draft, path: Path, to: Json | undefined): void {
  const body = read(draft.text.value);
  if (body.ok) draft.text.value = format(set(body.value, path, to) ?? {});
}

/** What the service said is wrong with the body, as long as that is what stands there. */
export function problemOf(draft: Draft): { path: Path; problem: string } | null {
  const sent = draft.sent.value;
  if (!sent || "silent" in sent.result || sent.body !== draft.text.value) return null;
  const { body } = sent.result;
  return isObject(body) && typeof body.ErrorInfo === "string" ? parseProblem(body.ErrorInfo) : null;
}
