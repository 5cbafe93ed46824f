// A row of the look-up: one conversation, with its marks, contact groups and pin as buttons.

import { useSignal } from "@preact/signals";
import type { Conversation } from "../api/conversations.ts";
import { explain } from "../api/document.ts";
import { BitGrid, bitName, BitToggle, NAMED_BITS } from "../form/bits.tsx";
import { bytes } from "../marks.ts";
import { Icon } from "../parts/icons.tsx";
import { Ago, Button, Text, Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";
import {
  changeFailures,
  contactGroupNames,
  customDraft,
  found,
  pending,
  readAt,
  setCustom,
  setCustomDraft,
  toggleBit,
  toggleContactGroup,
  togglePin,
} from "./lookup.ts";

export function Row({ conversation }: { conversation: Conversation }) {
  const { type, id, bits, changedAt, pinned } = conversation;
  const isOpen = useSignal(false);
  const key = `${type} ${id}`;
  const failure = changeFailures.value.get(key);
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
            {isOpen.value ? "fewer bits" : "more bits"}
          </button>
        </div>
        {isOpen.value && (
          <BitGrid label={id} isOn={(bit) => bits.includes(bit)} onToggle={(bit) => toggleBit(conversation, bit)} />
        )}
        <div class="second-line">
          <Custom conversation={conversation} />
          <ContactGroups conversation={conversation} />
        </div>
        {failure && (
          <p class="hint problem" role="alert">
            {failure.code !== null && <a href={link("codes", String(failure.code))}>{failure.code}</a>} <Text>{failure.info}</Text>{" "}
            {failure.isInDoubt ? "The service may have stored the change." : "Nothing has changed."}{" "}
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

/** Sets the focus when the input appears. Preact would call a new function on every render. */
function focus(input: HTMLInputElement | null): void {
  input?.focus();
}

function Custom({ conversation }: { conversation: Conversation }) {
  const { custom, id } = conversation;
  const draft = customDraft(conversation);
  const setDraft = (text: string | null) => setCustomDraft(conversation, text);
  if (draft === null) {
    return (
      <button type="button" class={custom ? "custom" : "custom none"} title="Edit the custom mark" onClick={() => setDraft(custom)}>
        {custom ? <Text>{custom}</Text> : "+ custom mark"}
      </button>
    );
  }
  const save = (event: Event) => {
    event.preventDefault();
    if (draft !== custom) setCustom(conversation, draft);
    setDraft(null);
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
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setDraft(null);
        }}
      />
      <span class="length">{bytes(draft)} bytes</span>
      <Button type="submit">Save</Button>
      <Button kind="quiet" onClick={() => setDraft(null)}>
        Cancel
      </Button>
    </form>
  );
}

function ContactGroups({ conversation }: { conversation: Conversation }) {
  const isOpen = useSignal(false);
  const all = found.value?.contactGroups ?? [];
  const shown = isOpen.value ? all.map(({ id }) => id) : conversation.contactGroups;
  if (all.length === 0) return null;
  return (
    <div class="chips" role="group" aria-label={`Contact groups of ${conversation.id}`}>
      {shown.map((id) => (
        <button
          key={id}
          type="button"
          class={conversation.contactGroups.includes(id) ? "chip tag on" : "chip tag"}
          aria-pressed={conversation.contactGroups.includes(id)}
          onClick={() => toggleContactGroup(conversation, id)}
        >
          <Text>{contactGroupNames.value.get(id) ?? `contact group ${id}`}</Text>
        </button>
      ))}
      <button type="button" class="chip more" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
        {isOpen.value ? "done" : "contact groups"}
      </button>
    </div>
  );
}
