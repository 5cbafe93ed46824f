// One conversation of a user, with everything that can be changed about it.

import { useSignal } from "@preact/signals";
import type { Conversation } from "../api/conversations.ts";
import { explain } from "../api/document.ts";
import { BitGrid, bitName, BitToggle, NAMED_BITS } from "../form/bits.tsx";
import { bytes } from "../marks.ts";
import { Icon } from "../parts/icons.tsx";
import { Ago, Button, Text, Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";
import { groupNames, kept, pending, readAt, refused, setCustom, toggleBit, toggleGroup, togglePin, writeCustom, writtenCustom } from "./lookup.ts";

export function Row({ conversation }: { conversation: Conversation }) {
  const { type, id, bits, changedAt, pinned } = conversation;
  const isOpen = useSignal(false);
  const key = `${type} ${id}`;
  const failure = refused.value.get(key);
  const others = bits.filter((bit) => !NAMED_BITS.includes(bit));
  return (
    <li class="conversation-row" aria-busy={pending.value.has(key)}>
      <div class="who">
        <span class={type === 1 ? "avatar" : "avatar square"}>
          <Icon name={type === 1 ? "user" : "group"} />
        </span>
        <div>
          <p class="id">
            <Text>{id}</Text>
          </p>
          <p class="measure">
            {type === 1 ? "User" : "Chat group"}
            {changedAt > 0 && (
              <>
                {" · "}
                <Ago at={changedAt} now={Math.max(readAt.value, changedAt)} />
              </>
            )}
          </p>
        </div>
      </div>
      <div class="marks">
        <div class="chips" role="group" aria-label={`Marks of ${id}`}>
          {[...NAMED_BITS, ...others].map((bit) => (
            <BitToggle
              key={bit}
              bit={bit}
              label={bitName(bit)}
              on={bits.includes(bit)}
              onToggle={() => toggleBit(conversation, bit)}
            />
          ))}
          <button type="button" class="chip more" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
            {isOpen.value ? "fewer" : "more bits"}
          </button>
        </div>
        {isOpen.value && (
          <BitGrid label={id} isOn={(bit) => bits.includes(bit)} onToggle={(bit) => toggleBit(conversation, bit)} />
        )}
        <div class="second-line">
          <Custom conversation={conversation} />
          <Groups conversation={conversation} />
        </div>
        {failure && (
          <p class="hint problem" role="alert">
            {failure.code !== null && <a href={link("codes", String(failure.code))}>{failure.code}</a>} <Text>{failure.info}</Text>{" "}
            {failure.unknown ? "It may have been stored all the same." : "Nothing was changed."}{" "}
            {failure.code !== null && <Ticked text={explain(failure.code, "recentcontact")?.remedy ?? ""} />}
          </p>
        )}
      </div>
      <button
        type="button"
        class={pinned ? "pin on" : "pin"}
        aria-pressed={pinned}
        aria-label={`Pin ${id}`}
        title={pinned ? "Pinned" : "Pin"}
        onClick={() => togglePin(conversation)}
      >
        <Icon name="pin" />
      </button>
    </li>
  );
}

/** Once, when it appears: always the same function, or it would be called at each key. */
function focus(input: HTMLInputElement | null): void {
  input?.focus();
}

function Custom({ conversation }: { conversation: Conversation }) {
  const { custom, id } = conversation;
  const draft = writtenCustom(conversation);
  const write = (text: string | null) => writeCustom(conversation, text);
  if (draft === null) {
    return (
      <button type="button" class={custom ? "custom" : "custom none"} title="Change the custom mark" onClick={() => write(custom)}>
        {custom ? <Text>{custom}</Text> : "+ custom mark"}
      </button>
    );
  }
  const save = (event: Event) => {
    event.preventDefault();
    if (draft !== custom) setCustom(conversation, draft);
    write(null);
  };
  return (
    <form class="custom-form" onSubmit={save}>
      <input
        ref={focus}
        aria-label={`Custom mark of ${id}`}
        value={draft}
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") write(null);
        }}
      />
      <span class="length">{bytes(draft)} bytes</span>
      <Button type="submit">Save</Button>
      <Button kind="quiet" onClick={() => write(null)}>
        Cancel
      </Button>
    </form>
  );
}

function Groups({ conversation }: { conversation: Conversation }) {
  const isOpen = useSignal(false);
  const all = kept.value?.groups ?? [];
  const shown = isOpen.value ? all.map(({ id }) => id) : conversation.groups;
  if (all.length === 0) return null;
  return (
    <div class="chips" role="group" aria-label={`Groups of ${conversation.id}`}>
      {shown.map((id) => (
        <button
          key={id}
          type="button"
          class={conversation.groups.includes(id) ? "chip tag on" : "chip tag"}
          aria-pressed={conversation.groups.includes(id)}
          onClick={() => toggleGroup(conversation, id)}
        >
          <Text>{groupNames.value.get(id) ?? `group ${id}`}</Text>
        </button>
      ))}
      <button type="button" class="chip more" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
        {isOpen.value ? "done" : "groups"}
      </button>
    </div>
  );
}
