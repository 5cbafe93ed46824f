// The input and the last answer of each call. They survive a change of the view; the input survives a reload, too.

import { signal, type Signal } from "@preact/signals";
import type { Call } from "../api/document.ts";
import type { Answer, NoAnswer } from "../api/fetch.ts";
import { initial } from "../form/initial.ts";
import { store, stored } from "../stored.ts";
import { format, isObject, type Json, type Path, parseProblem, set } from "../json.ts";
import { resolve } from "../api/document.ts";

export interface Exchange {
  /** The body of the request. */
  body: string;
  result: Answer | NoAnswer;
}

export interface Draft {
  /** The text of the editor. */
  text: Signal<string>;
  sent: Signal<Exchange | null>;
  sending: Signal<boolean>;
}

const drafts = new Map<string, Draft>();

/** What the editor has at first. */
export function exampleOf(call: Call): string {
  return format(call.examples[0]?.body ?? initial(resolve(call.schema)));
}

export function draftOf(call: Call): Draft {
  let draft = drafts.get(call.id);
  if (!draft) {
    const place = `draft-${call.id}`;
    draft = { text: signal(stored(place) ?? exampleOf(call)), sent: signal(null), sending: signal(false) };
    drafts.set(call.id, draft);
    draft.text.subscribe((text) => store(place, text === exampleOf(call) ? null : text));
  }
  return draft;
}

/** Parses a text, or says why it is not JSON. */
export function read(text: string): { ok: true; value: Json } | { ok: false; problem: string } {
  try {
    return { ok: true, value: JSON.parse(text) as Json };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Changes the value at a path of the draft. */
export function change(draft: Draft, path: Path, to: Json | undefined): void {
  const body = read(draft.text.value);
  if (body.ok) draft.text.value = format(set(body.value, path, to) ?? {});
}

/** The service's message about the body, until the user changes the body. */
export function problemOf(draft: Draft): { path: Path; problem: string } | null {
  const sent = draft.sent.value;
  if (!sent || "isLost" in sent.result || sent.body !== draft.text.value) return null;
  const { body } = sent.result;
  return isObject(body) && typeof body.ErrorInfo === "string" ? parseProblem(body.ErrorInfo) : null;
}
