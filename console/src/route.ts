// The current view, kept in the page's address after `#`. The address never contains a secret.

import { signal } from "@preact/signals";

export type View = "try" | "users" | "codes" | "apps";

export interface Route {
  view: View;
  /** The id of a call, user, code or app, depending on the view. */
  subject: string;
}

const VIEWS: readonly string[] = ["try", "users", "codes", "apps"];

export function parse(hash: string): Route {
  const [view = "", subject = ""] = hash.replace(/^#\/?/, "").split("/");
  return VIEWS.includes(view) ? { view: view as View, subject: decoded(subject) } : { view: "try", subject: "" };
}

export function link(view: View, subject = ""): string {
  return subject ? `#/${view}/${encodeURIComponent(subject)}` : `#/${view}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const route = signal<Route>(parse(location.hash));
addEventListener("hashchange", () => (route.value = parse(location.hash)));

export function go(view: View, subject = ""): void {
  location.hash = link(view, subject);
}
