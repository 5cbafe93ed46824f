// Adds a conversation that nothing is stored about yet. What is not marked is not stored, so it begins with a mark or a pin.

import { signal, useSignal } from "@preact/signals";
import type { Failure } from "../api/conversations.ts";
import { isEditing } from "../editing.ts";
import { Segment } from "../form/conversation.tsx";
import { Input } from "../parts/inputs.tsx";
import { Button } from "../parts/parts.tsx";
import { namedBits, names, user } from "./lookup.ts";
import { change, markOf } from "./lookup_changes.ts";
import { words } from "./lookup_groups.tsx";

const PIN = -1;

/** What is being typed, and for which user. It survives a change of the view. */
const typed = signal({ user: "", type: 1 as 1 | 2, id: "", with: 0 });

export function AddConversation() {
  const failure = useSignal<Failure | null>(null);
  if (!isEditing.value) return null;
  const now = typed.value.user === user.value ? typed.value : { user: user.value, type: 1 as const, id: "", with: 0 };
  const put = (change: Partial<typeof now>) => {
    typed.value = { ...now, ...change };
    failure.value = null;
  };
  const add = async (event: Event) => {
    event.preventDefault();
    if (!now.id) return;
    failure.value = await change({ type: now.type, id: now.id }, now.with === PIN ? { pinned: true } : { set: [markOf(now.with)] });
    if (!failure.value) typed.value = { ...now, id: "" };
  };
  return (
    <details class="adding">
      <summary>Add a conversation</summary>
      <form class="add-conversation" aria-label="Add a conversation" onSubmit={(event) => void add(event)}>
        <div class="segments" role="group" aria-label="With">
          <Segment icon="user" label="User" on={now.type === 1} onChoose={() => put({ type: 1 })} />
          <Segment icon="group" label="Chat group" on={now.type === 2} onChoose={() => put({ type: 2 })} />
        </div>
        <Input
          label="New conversation"
          placeholder={now.type === 1 ? "UserID" : "@TGS#…"}
          value={now.id}
          onInput={(id) => put({ id })}
          wrong={words(failure.value)}
        />
        <div class="field">
          <label for="add-with">Begins as</label>
          <select id="add-with" onChange={(event) => put({ with: Number(event.currentTarget.value) })}>
            {namedBits.value.map((bit) => (
              <option key={bit} value={bit} selected={bit === now.with}>
                {names.value.mark(bit)}
              </option>
            ))}
            <option value={PIN} selected={now.with === PIN}>
              pinned
            </option>
          </select>
        </div>
        <Button type="submit" icon="plus">
          Add
        </Button>
      </form>
    </details>
  );
}
