// Whether the page may change data. In `serve` it begins without: a click on production must not be a change.

import { computed, signal } from "@preact/signals";

export interface Environment {
  mode: "dev" | "serve";
  /** What the operator calls this environment; empty if nothing. */
  label: string;
  color: string;
}

export const environment = signal<Environment>({ mode: "serve", label: "", color: "grey" });

/** The user's choice, in the memory of this tab only: a reload of `serve` is read-only again. */
const chosen = signal<boolean | null>(null);

export const isEditing = computed(() => chosen.value ?? environment.value.mode === "dev");

export function setEditing(value: boolean): void {
  chosen.value = value;
}

/** Said wherever something cannot be changed. */
export const READ_ONLY = "Read-only. Turn on Edit to change data.";
