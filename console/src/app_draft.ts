// What an operator has changed in an app's settings and not saved yet.

import type { App } from "./api/admin.ts";
import type { JsonObject } from "./json.ts";

/** Only what is different from the app. */
export interface AppDraft {
  name?: string;
  edition?: string;
  directory?: string;
  userAccess?: string;
  /** The typed texts by the limit's name. */
  limits?: Readonly<Record<string, string>>;
  admins?: readonly string[];
  allowedOrigins?: readonly string[];
}

/** One difference between the app and the draft, in words. */
export interface Difference {
  /** As a problem of the admin API names the field. */
  field: string;
  title: string;
  /** Null if nothing is replaced. */
  from: string | null;
  /** Null if nothing comes in its place. */
  to: string | null;
}

export function differences(app: App, draft: AppDraft): Difference[] {
  const setting = (field: string, title: string, from: string, to: string | undefined): Difference[] =>
    to === undefined || to === from ? [] : [{ field, title, from, to }];
  return [
    ...setting("name", "Name", app.name, draft.name),
    ...setting("edition", "Edition", app.edition, draft.edition),
    ...setting("directory", "Directory", app.directory, draft.directory),
    ...setting("user_access", "User access", app.userAccess, draft.userAccess),
    ...names("admins", "Admin", app.admins, draft.admins),
    ...names("allowed_origins", "Allowed origin", app.allowedOrigins, draft.allowedOrigins),
    ...Object.entries(draft.limits ?? {}).flatMap(([name, to]) =>
      setting(`limits.${name}`, `Limit ${name}`, String(app.limits[name] ?? ""), to),
    ),
  ];
}

function names(field: string, title: string, from: readonly string[], to: readonly string[] = from): Difference[] {
  const { added, removed } = split(from, to);
  return [
    ...removed.map((name) => ({ field, title, from: name, to: null })),
    ...added.map((name) => ({ field, title, from: null, to: name })),
  ];
}

function split(from: readonly string[], to: readonly string[]): { added: string[]; removed: string[] } {
  return { added: to.filter((name) => !from.includes(name)), removed: from.filter((name) => !to.includes(name)) };
}

/** The part of a draft that one PATCH of the app saves, or null if there is none. */
export function patchOf(app: App, draft: AppDraft): JsonObject | null {
  const patch: JsonObject = {};
  const changed = new Set(differences(app, draft).map(({ field }) => field));
  if (changed.has("name")) patch.name = draft.name!.trim();
  if (changed.has("edition")) patch.edition = draft.edition!;
  if (changed.has("directory")) patch.directory = draft.directory!;
  if (changed.has("user_access")) patch.user_access = draft.userAccess!;
  if (changed.has("allowed_origins")) patch.allowed_origins = [...draft.allowedOrigins!];
  const limits = Object.entries(draft.limits ?? {}).filter(([name]) => changed.has(`limits.${name}`));
  if (limits.length > 0) patch.limits = Object.fromEntries(limits.map(([name, text]) => [name, numberOr(text)]));
  return Object.keys(patch).length > 0 ? patch : null;
}

/** The admins to add and to remove, each in a request of its own. Additions come first, so that the app is never without one. */
export function adminsOf(app: App, draft: AppDraft): { added: string[]; removed: string[] } {
  return split(app.admins, draft.admins ?? app.admins);
}

/** Keeps a text that is not a number, so that the service can refuse it. */
export function numberOr(text: string): number | string {
  return /^-?\d{1,15}$/.test(text.trim()) ? Number(text) : text;
}

/** What the draft ends that no one can call afterwards, in words; null if an undo is enough. */
export function endsAccess(app: App, draft: AppDraft): string | null {
  const isLast = app.admins.length > 0 && draft.admins?.length === 0;
  return isLast ? "No admin remains, so no backend can call the API of this app." : null;
}

/** The draft that turns `now` back into `before`. */
export function undoOf(before: App, now: App): AppDraft {
  const limits = Object.entries(before.limits).filter(([name, value]) => value !== now.limits[name]);
  return {
    name: before.name,
    edition: before.edition,
    directory: before.directory,
    userAccess: before.userAccess,
    admins: before.admins,
    allowedOrigins: before.allowedOrigins,
    limits: Object.fromEntries(limits.map(([name, value]) => [name, String(value)])),
  };
}
