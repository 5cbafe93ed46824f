// The unsaved changes of each app, and how they are saved.

import { signal } from "@preact/signals";
import { addAdmin, type App, apps, changeApp, type ChangeResult, removeAdmin } from "../api/admin.ts";
import { limitRange } from "../api/document.ts";
import { wordsOf } from "../api/fetch.ts";
import { adminsOf, type AppDraft, differences, patchOf, undoOf } from "../app_draft.ts";
import { numberProblem } from "../limits.ts";
import { announcement } from "../parts/parts.tsx";
import { offerUndo } from "../parts/undo.tsx";

/** Why a draft was not saved, in words, and the field that is wrong: `limits.pinned`, or an item such as `admins[1]`. */
export interface SaveProblem {
  field: string | null;
  problem: string;
}

/** By app. They survive a change of the view. */
const drafts = signal<Readonly<Record<number, AppDraft>>>({});
const problems = signal<Readonly<Record<number, SaveProblem | null>>>({});

export const draftOf = ({ sdkAppId }: App): AppDraft => drafts.value[sdkAppId] ?? {};
export const problemOf = ({ sdkAppId }: App): SaveProblem | null => problems.value[sdkAppId] ?? null;

/** What the page itself finds wrong with a draft, by field. It cannot be saved so. */
export function problemsOf(app: App): Readonly<Record<string, string>> {
  const problems: Record<string, string> = {};
  for (const [name, text] of Object.entries(draftOf(app).limits ?? {})) {
    const range = limitRange(name);
    const problem = range && numberProblem(text, range);
    if (problem) problems[`limits.${name}`] = problem;
  }
  return problems;
}

export function edit({ sdkAppId }: App, change: AppDraft): void {
  drafts.value = { ...drafts.value, [sdkAppId]: { ...drafts.value[sdkAppId], ...change } };
  problems.value = { ...problems.value, [sdkAppId]: null };
}

export function discard({ sdkAppId }: App): void {
  drafts.value = { ...drafts.value, [sdkAppId]: {} };
  problems.value = { ...problems.value, [sdkAppId]: null };
}

/** Saves the draft, and offers to undo it. */
export async function save(app: App): Promise<void> {
  const draft = draftOf(app);
  const count = differences(app, draft).length;
  const problem = await store(app, draft);
  problems.value = { ...problems.value, [app.sdkAppId]: problem };
  if (problem) {
    announcement.value = `Not saved: ${problem.problem}`;
    return;
  }
  discard(app);
  offerUndo(`Saved ${count} change${count === 1 ? "" : "s"} of app ${app.sdkAppId}`, () => undoTo(app));
}

/** Brings an app back to what it was. Returns what went wrong, or null. */
export async function undoTo(before: App): Promise<string | null> {
  const now = apps.value?.find(({ sdkAppId }) => sdkAppId === before.sdkAppId);
  if (!now) return "There is no such app any more.";
  return (await store(now, undoOf(before, now)))?.problem ?? null;
}

/** Stores the parts of a draft one after the other. What is stored stays, if a later part fails. */
async function store(app: App, draft: AppDraft): Promise<SaveProblem | null> {
  const patch = patchOf(app, draft);
  const { added, removed } = adminsOf(app, draft);
  // The admins have paths of their own, so the service does not know where in the list they are.
  const admin = (name: string) => `admins[${(draft.admins ?? []).indexOf(name)}]`;
  const parts: { at: string | null; send: () => Promise<ChangeResult> }[] = [
    ...(patch ? [{ at: null, send: () => changeApp(app.sdkAppId, patch) }] : []),
    ...added.map((name) => ({ at: admin(name), send: () => addAdmin(app.sdkAppId, name) })),
    ...removed.map((name) => ({ at: "admins", send: () => removeAdmin(app.sdkAppId, name) })),
  ];
  for (const { at, send } of parts) {
    const result = await send();
    if (result.ok) continue;
    return { field: result.field && (at ?? result.field), problem: wordsOf(result) };
  }
  return null;
}
