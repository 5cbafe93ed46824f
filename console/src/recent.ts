// The users that were looked up last, by app. The browser forgets them when the tab is closed.

import { signal } from "@preact/signals";
import { store, stored } from "./stored.ts";

const NAME = "recent-users";
/** Of one app. */
const RECENT_MAX = 8;

type Recent = Readonly<Record<string, readonly string[]>>;

const all = signal<Recent>(JSON.parse(stored(NAME) ?? "{}") as Recent);
all.subscribe((recent) => store(NAME, Object.keys(recent).length > 0 ? JSON.stringify(recent) : null));

/** Newest first. */
export function recentUsers(sdkAppId: number): readonly string[] {
  return all.value[sdkAppId] ?? [];
}

export function noteRecent(sdkAppId: number, user: string): void {
  const others = recentUsers(sdkAppId).filter((other) => other !== user);
  all.value = { ...all.value, [sdkAppId]: [user, ...others].slice(0, RECENT_MAX) };
}

/** An erased user must not stay here. */
export function forgetRecent(sdkAppId: number, user: string): void {
  all.value = { ...all.value, [sdkAppId]: recentUsers(sdkAppId).filter((other) => other !== user) };
}
