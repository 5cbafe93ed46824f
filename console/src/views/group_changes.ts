// The changes of a user's contact groups that the page makes. Each can be taken back.

import { signal } from "@preact/signals";
import { type Failure, idOf } from "../api/conversations.ts";
import type { NativeResult, UserApi } from "../api/native.ts";
import { isEditing } from "../editing.ts";
import { announcement } from "../parts/parts.tsx";
import { offerUndo } from "../parts/undo.tsx";
import { currentAccess, found, isLive, load, user } from "./lookup.ts";

/** Why the last change of a contact group was refused, and of which: its id, or null for a new one. */
export const groupFailure = signal<{ user: string; id: number | null; failure: Failure } | null>(null);

export function failureOf(id: number | null): Failure | null {
  const { value } = groupFailure;
  return value?.user === user.value && value.id === id ? value.failure : null;
}

type Step = (api: UserApi) => Promise<Failure | null>;

const path = (name: string) => `/groups/${encodeURIComponent(name)}`;
const send = (method: string, name: string, body?: object): Step => async (api) => failed(await api.call(method, path(name), body));
const failed = (result: NativeResult): Failure | null => (result.ok ? null : result.failure);

/** Makes a change, and offers to take it back. Returns whether it was made. */
async function change(id: number | null, done: string, step: Step, back: Step): Promise<boolean> {
  const access = currentAccess();
  if (!access || !isEditing.value) return false;
  const run = async (one: Step) => {
    const refused = await one(access.api);
    // Otherwise the stream tells what has changed.
    if (access === currentAccess() && !isLive.value) void load(access.api.user);
    return refused;
  };
  const refused = await run(step);
  groupFailure.value = refused && { user: access.api.user, id, failure: refused };
  if (refused) announcement.value = `Not stored: ${refused.info}`;
  else offerUndo(done, async () => (await run(back))?.info ?? null);
  return refused === null;
}

const TAKEN: Failure = { code: null, info: "The user has a contact group of this name already.", isInDoubt: false };

/** One that was there before must not be offered to be taken back. */
export function createGroup(name: string): Promise<boolean> {
  const create: Step = async (api) => {
    const made = await api.call("PUT", path(name));
    return made.ok && made.status !== 201 ? TAKEN : failed(made);
  };
  return change(null, `Contact group ${name} created`, create, send("DELETE", name));
}

export function renameGroup(id: number, from: string, to: string): Promise<boolean> {
  return change(id, `${from} renamed to ${to}`, send("PATCH", from, { name: to }), send("PATCH", to, { name: from }));
}

export function moveGroup(id: number, name: string, from: number, to: number): Promise<boolean> {
  return change(id, `${name} moved`, send("PATCH", name, { position: to }), send("PATCH", name, { position: from }));
}

/** The conversations keep their marks and pins. An undo puts them back into a contact group of the same name and place. */
export function deleteGroup(id: number, name: string, position: number): Promise<boolean> {
  const members = (found.value?.conversations ?? []).filter((one) => one.contactGroups.includes(id)).map(idOf);
  const back: Step = async (api) => {
    const made = (await send("PUT", name)(api)) ?? (await send("PATCH", name, { position })(api));
    if (made) return made;
    const failures = await api.batch(members.map((one) => ({ ...one, add_to: [name] })));
    return failures.find((one) => one !== null) ?? null;
  };
  return change(id, `Contact group ${name} deleted`, send("DELETE", name), back);
}
