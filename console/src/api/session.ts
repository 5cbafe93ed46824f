// Who calls. Lives in this tab's memory alone: nothing here is ever written to storage, a URL or a log.

import { computed, signal } from "@preact/signals";
import { sign } from "../user_sig.ts";
import { fetchJson } from "./reach.ts";

export interface Session {
  sdkAppId: number;
  identifier: string;
  userSig: string;
}

/** How long a UserSig is good that is made here. */
const LIFETIME_S = 12 * 3600;

/** Who is signed in. */
export const session = signal<Session | null>(null);

/** The dialog to sign in is open. */
export const signingIn = signal(false);

/** What a service in `dev` offers: to sign in as the admin of its demo app. */
const offered = signal<Session | null>(null);
export const canSignInAtOnce = computed(() => offered.value !== null);
export const demoAdmin = computed(() => offered.value && { ...offered.value, userSig: undefined });

interface Opening {
  mode: "dev" | "serve";
  sdkappid?: number;
  identifier?: string;
  usersig?: string;
}

/** Asks how the service was started. */
export async function loadOffer(): Promise<void> {
  const found = await fetchJson("/console/session.json");
  const opening = found.ok ? (found.body as unknown as Opening) : null;
  offered.value =
    opening?.mode === "dev" && opening.sdkappid && opening.identifier && opening.usersig
      ? { sdkAppId: opening.sdkappid, identifier: opening.identifier, userSig: opening.usersig }
      : null;
}

/** Takes what `dev` offers, made anew: its app's key may have been rotated since the page was opened. */
export async function signInAtOnce(): Promise<void> {
  await loadOffer();
  if (offered.value) {
    session.value = offered.value;
    signingIn.value = false;
  }
}

/** Signs in with a UserSig that was made elsewhere. */
export function signInWithUserSig(sdkAppId: number, identifier: string, userSig: string): void {
  session.value = { sdkAppId, identifier, userSig };
  signingIn.value = false;
}

/** Makes the UserSig here, and forgets the key. */
export function signInWithKey(sdkAppId: number, identifier: string, secretKey: string): void {
  const issuedAt = Math.floor(Date.now() / 1000);
  const userSig = sign({ sdkAppId, identifier, issuedAt, lifetimeS: LIFETIME_S }, secretKey);
  signInWithUserSig(sdkAppId, identifier, userSig);
}

export function signOut(): void {
  session.value = null;
}
