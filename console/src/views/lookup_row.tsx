// A row of the look-up: what one conversation has. In Edit, it opens to change it.

import { useSignal } from "@preact/signals";
import { type Conversation, key as keyOf } from "../api/conversations.ts";
import { explain } from "../api/document.ts";
import { isEditing } from "../editing.ts";
import { BitGrid, BitToggle } from "../form/bits.tsx";
import { bytes } from "../marks.ts";
import { Icon } from "../parts/icons.tsx";
import { Ago, Button, isOver, Text, Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";
import { changeFailures, chosen, found, namedBits, names, pending, readAt } from "./lookup.ts";
import { customDraft, forget, setCustom, setCustomDraft, toggleBit, toggleContactGroup, togglePin } from "./lookup_changes.ts";

export const COLUMNS = 7;

export function Row({ conversation }: { conversation: Conversation }) {
  const { type, id, bits, custom, contactGroups, changedAt, pinned } = conversation;
  const isOpen = useSignal(false);
  const key = keyOf(conversation);
  const isShown = isOpen.value && isEditing.value;
  return (
    <>
      <tr role="row" class="conversation" aria-busy={pending.value.has(key)}>
        <td role="cell" class="pick">
          <input type="checkbox" aria-label={`Choose ${id}`} checked={chosen.value.has(key)} onChange={() => choose(key)} />
        </td>
        <td role="cell" class="who">
          <span title={type === 1 ? "User" : "Chat group"}>
            <Icon name={type === 1 ? "user" : "group"} />
            <span class="visually-hidden">{type === 1 ? "User" : "Chat group"}</span>
          </span>
          <strong>
            <Text>{id}</Text>
          </strong>
        </td>
        <td role="cell" class="of-marks">
          {bits.map((bit) => (
            <span key={bit} class={`mark bit-${bit}`}>
              <Text>{names.value.mark(bit)}</Text>
            </span>
          ))}
        </td>
        <td role="cell" class="of-custom">{custom && <Text>{custom}</Text>}</td>
        <td role="cell" class="of-groups">
          {contactGroups.map((group) => (
            <span key={group} class="tag">
              <Text>{names.value.contactGroup(group)}</Text>
            </span>
          ))}
        </td>
        <td role="cell" class="when measure">{changedAt > 0 && <Ago at={changedAt} now={Math.max(readAt.value, changedAt)} />}</td>
        <td role="cell" class="actions">
          {pinned && (
            <span class="pinned" title="Pinned">
              <Icon name="pin" />
              <span class="visually-hidden">Pinned</span>
            </span>
          )}
          {isEditing.value && (
            <button type="button" class="button quiet" aria-expanded={isShown} aria-label={`Edit ${id}`} onClick={() => (isOpen.value = !isOpen.value)}>
              Edit
            </button>
          )}
        </td>
      </tr>
      {(isShown || changeFailures.value.has(key)) && (
        <tr role="row" class="below">
          <td role="cell" colSpan={COLUMNS}>
            {isShown && <Editor conversation={conversation} />}
            <Failed of={key} />
          </td>
        </tr>
      )}
    </>
  );
}

function choose(key: string): void {
  const now = new Set(chosen.value);
  if (!now.delete(key)) now.add(key);
  chosen.value = now;
}

/** Why the last change of the conversation was not made. */
function Failed({ of }: { of: string }) {
  const failure = changeFailures.value.get(of);
  if (!failure || isOver(failure.info)) return null;
  return (
    <div class="hint" role="alert">
      <p class="problem">
        {failure.code !== null && <a href={link("codes", String(failure.code))}>{failure.code}</a>} <Text>{failure.info}</Text>
      </p>
      <p>
        {failure.isInDoubt ? "The service may have stored the change." : "Nothing has changed."}{" "}
        {failure.code !== null && <Ticked text={remedyOf(failure.code)} />}
      </p>
    </div>
  );
}

/** What to do about a code. The native API has no `ErrorInfo`, which some remedies point to. */
function remedyOf(code: number): string {
  const remedy = explain(code, "recentcontact")?.remedy ?? "";
  return remedy.includes("ErrorInfo") ? "" : remedy;
}

function Editor({ conversation }: { conversation: Conversation }) {
  const { id, bits, pinned } = conversation;
  const others = bits.filter((bit) => !namedBits.value.includes(bit));
  return (
    <div class="row-editor" role="group" aria-label={`Change ${id}`}>
      <div class="chips" role="group" aria-label={`Marks of ${id}`}>
        {[...namedBits.value, ...others].map((bit) => (
          <BitToggle key={bit} bit={bit} label={names.value.mark(bit)} on={bits.includes(bit)} onToggle={() => toggleBit(conversation, bit)} />
        ))}
        <button type="button" class={pinned ? "chip on" : "chip"} aria-pressed={pinned} onClick={() => togglePin(conversation)}>
          <Icon name="pin" /> {pinned ? "pinned" : "pin"}
        </button>
      </div>
      <ContactGroups conversation={conversation} />
      <Custom conversation={conversation} />
      <div class="confirm">
        <Button kind="quiet" icon="close" onClick={() => void forget(conversation)}>
          Forget this conversation
        </Button>
        <span class="hint">Removes its marks, custom mark, contact groups and pin.</span>
      </div>
      <details class="all-bits">
        <summary>All 64 bits</summary>
        <BitGrid label={id} isOn={(bit) => bits.includes(bit)} onToggle={(bit) => toggleBit(conversation, bit)} />
      </details>
    </div>
  );
}

function Custom({ conversation }: { conversation: Conversation }) {
  const { custom, id } = conversation;
  const draft = customDraft(conversation) ?? custom;
  const save = async (event: Event) => {
    event.preventDefault();
    // What was refused stays in the input, to be corrected.
    if (draft === custom || (await setCustom(conversation, draft)) === null) setCustomDraft(conversation, null);
  };
  return (
    <form class="custom-form" onSubmit={(event) => void save(event)}>
      <input
        aria-label={`Custom mark of ${id}`}
        placeholder="custom mark"
        value={draft}
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => setCustomDraft(conversation, event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setCustomDraft(conversation, null);
        }}
      />
      {draft !== custom && (
        <>
          <span class="length">{bytes(draft)} bytes</span>
          <Button type="submit">Save</Button>
          <Button kind="quiet" onClick={() => setCustomDraft(conversation, null)}>
            Cancel
          </Button>
        </>
      )}
    </form>
  );
}

function ContactGroups({ conversation }: { conversation: Conversation }) {
  const all = found.value?.contactGroups ?? [];
  if (all.length === 0) return null;
  return (
    <div class="chips" role="group" aria-label={`Contact groups of ${conversation.id}`}>
      {all.map(({ id, name }) => (
        <button
          key={id}
          type="button"
          class={conversation.contactGroups.includes(id) ? "chip tag on" : "chip tag"}
          aria-pressed={conversation.contactGroups.includes(id)}
          onClick={() => toggleContactGroup(conversation, id)}
        >
          <Text>{name}</Text>
        </button>
      ))}
    </div>
  );
}
