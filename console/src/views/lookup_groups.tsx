// The user's contact groups: made, renamed, ordered and deleted.

import { signal, useSignal } from "@preact/signals";
import type { ContactGroup, Failure } from "../api/conversations.ts";
import { isEditing } from "../editing.ts";
import { bytes } from "../marks.ts";
import { Input } from "../parts/inputs.tsx";
import { Button, isOver, Text } from "../parts/parts.tsx";
import { link, route } from "../route.ts";
import { createGroup, deleteGroup, failureOf, moveGroup, renameGroup } from "./group_changes.ts";
import { found, user } from "./lookup.ts";

/** The name of a new contact group that is being typed, and of which user. It survives a change of the view. */
const typed = signal({ user: "", name: "" });

export function LookupGroups() {
  const groups = found.value!.contactGroups;
  return (
    <section class="panel groups" aria-labelledby="groups-title">
      <header class="panel-head">
        <h2 id="groups-title">
          {groups.length} contact group{groups.length === 1 ? "" : "s"}
        </h2>
      </header>
      {groups.length > 0 && (
        <ol aria-label="Contact groups">
          {groups.map((group, at) => (
            <Group key={group.id} group={group} at={at} of={groups.length} />
          ))}
        </ol>
      )}
      {isEditing.value ? <NewGroup /> : groups.length === 0 && <p class="empty">The user has no contact group.</p>}
    </section>
  );
}

function Group({ group: { id, name }, at, of }: { group: ContactGroup; at: number; of: number }) {
  const renamed = useSignal<string | null>(null);
  const count = found.value!.conversations.filter((one) => one.contactGroups.includes(id)).length;
  const rename = async (event: Event) => {
    event.preventDefault();
    const to = renamed.value ?? name;
    // What was refused stays in the input, to be corrected.
    if (to === name || (await renameGroup(id, name, to))) renamed.value = null;
  };
  const wrong = words(failureOf(id));
  return (
    <li>
      {renamed.value === null ? (
        <>
          <a href={link("users", user.value, { ...route.value.params, has: `group-${id}`, page: "" })}>
            <Text>{name}</Text>
          </a>
          <span class="measure">
            {count} conversation{count === 1 ? "" : "s"}
          </span>
          {isEditing.value && (
            <span class="group-actions">
              <Button kind="quiet" icon="up" label={`Move ${name} up`} disabled={at === 0} onClick={() => void moveGroup(id, name, at, at - 1)} />
              <Button kind="quiet" icon="down" label={`Move ${name} down`} disabled={at === of - 1} onClick={() => void moveGroup(id, name, at, at + 1)} />
              <Button kind="quiet" label={`Rename ${name}`} onClick={() => (renamed.value = name)}>
                Rename
              </Button>
              <Button kind="quiet" label={`Delete ${name}`} onClick={() => void deleteGroup(id, name, at)}>
                Delete
              </Button>
            </span>
          )}
          {wrong && (
            <p class="hint problem" role="alert">
              {wrong}
            </p>
          )}
        </>
      ) : (
        <form class="joined-form" onSubmit={(event) => void rename(event)}>
          <Input label={`New name of ${name}`} value={renamed.value} onInput={(text) => (renamed.value = text)} hint={`${bytes(renamed.value)} bytes`} wrong={wrong} />
          <Button type="submit">Save</Button>
          <Button kind="quiet" onClick={() => (renamed.value = null)}>
            Cancel
          </Button>
        </form>
      )}
    </li>
  );
}

function NewGroup() {
  const name = typed.value.user === user.value ? typed.value.name : "";
  const type = (text: string) => (typed.value = { user: user.value, name: text });
  const create = async (event: Event) => {
    event.preventDefault();
    if (name && (await createGroup(name))) type("");
  };
  return (
    <form class="joined-form" onSubmit={(event) => void create(event)}>
      <Input label="New contact group" value={name} onInput={type} wrong={words(failureOf(null))} />
      <Button type="submit">Create</Button>
    </form>
  );
}

/** What the service says, with a link to what its code means. */
export function words(failure: Failure | null) {
  if (!failure || isOver(failure.info)) return null;
  const { code, info } = failure;
  return (
    <>
      {code !== null && <a href={link("codes", String(code))}>{code}</a>} <Text>{info}</Text>
    </>
  );
}
