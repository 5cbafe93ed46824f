// What a reload of the tab must not lose. The browser forgets it when the tab is closed.

/** `null` if there is none, or the browser blocks storage. */
export function stored(name: string): string | null {
  try {
    return sessionStorage.getItem(`earmark-${name}`);
  } catch {
    return null;
  }
}

/** `null` removes it. */
export function store(name: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(`earmark-${name}`);
    else sessionStorage.setItem(`earmark-${name}`, value);
  } catch {
    // The browser blocks storage. Then a reload loses it.
  }
}
