// What is shown, as the part of the page's address after `#`. Nothing secret is ever in it.

import { signal } from "@preact/signals";

export type View = "try" | "users" | "codes" | "apps";

export interface Route {
  view: View;
  /** A call, a user, a code or an app. */
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
