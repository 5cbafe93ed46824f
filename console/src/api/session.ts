// The session. The page keeps it in memory only: never in storage, a URL or a log.

import { computed, signal } from "@preact/signals";
import { environment } from "../editing.ts";
import { isObject, parseProblem } from "../json.ts";
import { sign } from "../user_sig.ts";
import { send } from "./call.ts";
import { type Answer, bearer, fetchJson, isReachable, NO_ANSWER, type NoAnswer, noted } from "./fetch.ts";
import { linkToken, noteLinkToken } from "./link.ts";

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

/** Which of the three credentials the service refused. */
export type Credential = "sdkappid" | "identifier" | "usersig";

/** Why the service does not accept a session. */
export interface Refusal {
  /** Null if no answer came. */
  code: number | null;
  info: string;
  /** Null if the credentials are not the cause. */
  field: Credential | null;
}

/** Why the service refused the session's last call, if its credentials were the cause. */
const refusal = signal<Refusal | null>(null);

/** What is known of the session: the service accepts it, refuses it, or cannot be asked. */
export const standing = computed(() => {
  if (!isReachable.value) return { state: "lost" as const, text: NO_ANSWER };
  const { value } = refusal;
  return value ? { state: "refused" as const, text: value.info, code: value.code } : { state: "accepted" as const, text: "accepted" };
});

/** The codes that are about the caller, not about the call. */
const CALLER_CODES = [50003, 60010, 60016, 70001, 70002, 70003, 70009, 70013, 70014, 70020];

/** Learns from an answer to `caller` whether the service accepts the session. */
export function noteAnswer(caller: Session, code: number, info: string): void {
  if (caller !== session.value) return;
  refusal.value = CALLER_CODES.includes(code) ? { code, info, field: credentialOf(info) } : null;
}

const CREDENTIALS: readonly string[] = ["sdkappid", "identifier", "usersig"];

/** The credential that an `ErrorInfo` names, such as `usersig: expired`. */
export function credentialOf(info: string): Credential | null {
  const name = parseProblem(info)?.path[0];
  return typeof name === "string" && CREDENTIALS.includes(name) ? (name as Credential) : null;
}

/** Sends a call as `caller`. */
export async function call(path: string, body: string, caller: Session): Promise<Answer | NoAnswer> {
  const answer = await send(path, body, caller);
  const { ErrorCode: code, ErrorInfo: info } = "isLost" in answer || !isObject(answer.body) ? {} : answer.body;
  if (typeof code === "number") noteAnswer(caller, code, String(info ?? ""));
  return answer;
}

/** A `fetch` for the native API, called as `caller`. */
export function fetchAs(caller: Session): typeof fetch {
  return async (input, init) => {
    const response = await noted(input, init);
    if (response.ok) noteAnswer(caller, 0, "");
    else void response.clone().json().then(({ code, detail }) => noteAnswer(caller, Number(code), String(detail)), () => {});
    return response;
  };
}

/** Asks the service whether it accepts a session, with a call that changes nothing. */
async function check(caller: Session): Promise<Refusal | null> {
  const answer = await call("/v4/im_open_login_svc/account_check", JSON.stringify({ CheckItem: [{ UserID: caller.identifier }] }), caller);
  if ("isLost" in answer) return { code: null, info: NO_ANSWER, field: null };
  const { ErrorCode: code, ErrorInfo } = isObject(answer.body) ? answer.body : {};
  const info = String(ErrorInfo || `HTTP ${answer.status}`);
  if (typeof code !== "number") return { code: null, info, field: null };
  return code === 0 ? null : { code, info, field: credentialOf(info) };
}

/** Asks again: a key may have been retired, or the app disabled, while the tab was in the background. */
export async function checkAgain(): Promise<void> {
  if (session.value) await check(session.value);
}

interface SessionFile {
  mode: "dev" | "serve";
  label?: string;
  color?: string;
  sdkappid?: number;
  identifier?: string;
  usersig?: string;
}

/** Asks the service whether it has a demo app. `earmark dev` gives a session only for its token. */
export async function loadDemoApp(): Promise<void> {
  const headers: Record<string, string> = linkToken ? { authorization: bearer(linkToken) } : {};
  const answer = await fetchJson("/console/session.json", { headers });
  const found = answer.ok ? (answer.body as unknown as SessionFile) : null;
  if (found) environment.value = { mode: found.mode, label: found.label ?? "", color: found.color ?? "grey" };
  // Without an answer, nothing is known of the token.
  if (answer.ok || answer.status === 401) noteLinkToken(found?.mode === "dev" && found.usersig !== undefined);
  needsLink.value = found ? found.mode === "dev" && !found.usersig : !answer.ok && answer.status === 401;
  demoSession.value =
    found?.mode === "dev" && found.sdkappid && found.identifier && found.usersig
      ? { sdkAppId: found.sdkappid, identifier: found.identifier, userSig: found.usersig }
      : null;
}

/** Asks for a new UserSig first: the key may have been rotated since the page was opened. */
export async function signInToDemoApp(): Promise<void> {
  await loadDemoApp();
  if (!demoSession.value) return;
  signedIn(demoSession.value);
  await check(demoSession.value);
}

/** Signs in if the service accepts the UserSig, or says why it does not. */
export async function signInWithUserSig(sdkAppId: number, identifier: string, userSig: string): Promise<Refusal | null> {
  const caller = { sdkAppId, identifier, userSig };
  const refused = await check(caller);
  if (!refused) signedIn(caller);
  return refused;
}

/** Makes a UserSig in the page. The page does not keep the key. */
export function signInWithKey(sdkAppId: number, identifier: string, secretKey: string): Promise<Refusal | null> {
  const issuedAt = Math.floor(Date.now() / 1000);
  const userSig = sign({ sdkAppId, identifier, issuedAt, lifetimeS: LIFETIME_S }, secretKey);
  return signInWithUserSig(sdkAppId, identifier, userSig);
}

function signedIn(caller: Session): void {
  session.value = caller;
  refusal.value = null;
  isSigningIn.value = false;
}

export function signOut(): void {
  session.value = null;
  refusal.value = null;
}
