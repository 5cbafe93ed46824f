// The current view and what it shows, kept in the page's address after `#`. The address never contains a secret.

import { signal } from "@preact/signals";
import { store, stored } from "./stored.ts";

const VIEWS = ["overview", "try", "users", "calls", "codes", "apps"] as const;
export type View = (typeof VIEWS)[number];

/** What a view filters, orders and pages by. */
export type Params = Readonly<Record<string, string>>;

export interface Route {
  view: View;
  /** The id of a call, user, code or app, depending on the view. */
  subject: string;
  params: Params;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", subject = ""] = path.split("/");
  const params = Object.fromEntries(new URLSearchParams(query));
  const known = VIEWS.find((known) => known === view);
  return known ? { view: known, subject: decoded(subject), params } : { view: "try", subject: "", params: {} };
}

export function link(view: View, subject = "", params: Params = {}): string {
  const path = subject ? `#/${view}/${encodeURIComponent(subject)}` : `#/${view}`;
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "")).toString();
  return query ? `${path}?${query}` : path;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const route = signal<Route>(parse(location.hash));
/** Where each view was left. Its link leads back there. */
export const lastPlaces = signal<Readonly<Partial<Record<View, string>>>>(JSON.parse(stored("places") ?? "{}"));
lastPlaces.subscribe((places) => store("places", Object.keys(places).length > 0 ? JSON.stringify(places) : null));

addEventListener("hashchange", follow);

function follow(): void {
  const { view, subject, params } = route.value;
  const now = parse(location.hash);
  if (now.view !== view) lastPlaces.value = { ...lastPlaces.value, [view]: link(view, subject, params) };
  route.value = now;
}

export function go(view: View, subject = "", params: Params = {}): void {
  location.hash = link(view, subject, params);
}

/**
 * Changes what the current view filters, orders and pages by. An empty value removes a parameter. With `step`, the browser's
 * Back button undoes it; what changes with each key is no step.
 */
export function setParams(change: Params, step: boolean): void {
  const { view, subject, params } = route.value;
  if (step) go(view, subject, { ...params, ...change });
  else replace(view, subject, { ...params, ...change });
}

/** Like `go`, but the Back button does not return to the address before. */
export function replace(view: View, subject: string, params: Params): void {
  const address = link(view, subject, params);
  history.replaceState(null, "", address);
  route.value = parse(address);
}
