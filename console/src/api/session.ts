// The session. The page keeps it in the memory of this tab only: never in storage, a URL or a log.

import { computed, signal } from "@preact/signals";
import { sign } from "../user_sig.ts";
import { bearer, fetchJson } from "./fetch.ts";
import { linkToken } from "./link.ts";

export interface Session {
  sdkAppId: number;
  identifier: string;
  userSig: string;
}

/** Lifetime of a UserSig that the page makes. */
const LIFETIME_S = 12 * 3600;

export const session = signal<Session | null>(null);

/** The sign-in dialog is open. */
export const isSigningIn = signal(false);

/** The service is an `earmark dev`, and the page was opened without the token that `earmark dev` prints. */
export const needsLink = signal(false);

/** A session for the admin of the demo app. Only `earmark dev` has a demo app. */
const demoSession = signal<Session | null>(null);
export const hasDemoApp = computed(() => demoSession.value !== null);
export const demoAdmin = computed(() => demoSession.value && { ...demoSession.value, userSig: undefined });

interface SessionFile {
  mode: "dev" | "serve";
  sdkappid?: number;
  identifier?: string;
  usersig?: string;
}

/** Asks the service whether it has a demo app. `earmark dev` gives a session only for its token. */
export async function loadDemoApp(): Promise<void> {
  const headers: Record<string, string> = linkToken ? { authorization: bearer(linkToken) } : {};
  const answer = await fetchJson("/console/session.json", { headers });
  const found = answer.ok ? (answer.body as unknown as SessionFile) : null;
  needsLink.value = found ? found.mode === "dev" && !found.usersig : !answer.ok && answer.status === 401;
  demoSession.value =
    found?.mode === "dev" && found.sdkappid && found.identifier && found.usersig
      ? { sdkAppId: found.sdkappid, identifier: found.identifier, userSig: found.usersig }
      : null;
}

/** Asks for a new UserSig first: the key may have been rotated since the page was opened. */
export async function signInToDemoApp(): Promise<void> {
  await loadDemoApp();
  if (demoSession.value) {
    session.value = demoSession.value;
    isSigningIn.value = false;
  }
}

export function signInWithUserSig(sdkAppId: number, identifier: string, userSig: string): void {
  session.value = { sdkAppId, identifier, userSig };
  isSigningIn.value = false;
}

/** Makes a UserSig in the page. The page does not keep the key. */
export function signInWithKey(sdkAppId: number, identifier: string, secretKey: string): void {
  const issuedAt = Math.floor(Date.now() / 1000);
  const userSig = sign({ sdkAppId, identifier, issuedAt, lifetimeS: LIFETIME_S }, secretKey);
  signInWithUserSig(sdkAppId, identifier, userSig);
}

export function signOut(): void {
  session.value = null;
}
