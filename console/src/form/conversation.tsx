// Which conversation: the one with a user, or the one of a chat group.

import { useId, useRef } from "preact/hooks";
import type { Schema } from "../api/document.ts";
import type { Json, Path } from "../json.ts";
import { Icon } from "../parts/icons.tsx";
import { useField } from "./form.tsx";

export interface ConversationFields {
  /** The name that the id of a chat group has in this call. */
  group: string;
  all: string[];
}

/** Whether these fields name a conversation, and which of them do. */
export function conversationFields(properties: Record<string, Schema>): ConversationFields | null {
  const groups = ["ToGroupId", "GroupId", "ToGroupid"].filter((name) => name in properties);
  const isOne = "Type" in properties && "To_Account" in properties && groups.length > 0;
  if (!isOne) return null;
  // Where a call takes an older and a newer name, the form writes the one that the document names first.
  const group = Object.keys(properties).find((name) => groups.includes(name))!;
  return { group, all: ["Type", "To_Account", ...groups] };
}

export function Conversation({ path, fields }: { path: Path; fields: ConversationFields }) {
  const type = useField([...path, "Type"]);
  const account = useField([...path, "To_Account"]);
  const group = useField([...path, fields.group]);
  const id = useId();
  const isGroup = type.value === 2;
  const peer = isGroup ? group : account;
  const name = isGroup ? fields.group : "To_Account";
  const wrong = type.wrong ?? peer.wrong;
  // The id that does not go with the type leaves the JSON, and comes back with the type.
  const put = useRef<{ account?: Json | undefined; group?: Json | undefined }>({}).current;
  const choose = (kind: 1 | 2) => {
    if (kind === type.value) return;
    type.change(kind);
    const [from, to] = kind === 1 ? ([group, account] as const) : ([account, group] as const);
    const [old, now] = kind === 1 ? (["group", "account"] as const) : (["account", "group"] as const);
    if (from.value !== undefined) put[old] = from.value;
    from.change(undefined);
    to.change(to.value ?? put[now] ?? "");
  };
  return (
    <div class={wrong ? "field conversation wrong" : "field conversation"}>
      <div class="field-head">
        <label for={id} class="name">
          {name}
        </label>
      </div>
      <div class="joined">
        <div class="segments" role="group" aria-label="Type">
          <Segment icon="user" label="User" on={type.value === 1} onChoose={() => choose(1)} />
          <Segment icon="group" label="Chat group" on={isGroup} onChoose={() => choose(2)} />
        </div>
        <input
          id={id}
          value={typeof peer.value === "string" ? peer.value : peer.value === undefined ? "" : JSON.stringify(peer.value)}
          placeholder={isGroup ? "@TGS#…" : "UserID"}
          dir="auto"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-invalid={wrong !== null}
          aria-describedby={wrong ? `${id}-wrong` : undefined}
          onInput={(event) => peer.change(event.currentTarget.value)}
        />
      </div>
      {wrong && (
        <p class="hint problem" id={`${id}-wrong`}>
          {type.wrong ? `Type: ${wrong}` : wrong}
        </p>
      )}
    </div>
  );
}

function Segment({ icon, label, on, onChoose }: { icon: "user" | "group"; label: string; on: boolean; onChoose: () => void }) {
  return (
    <button type="button" class={on ? "segment on" : "segment"} aria-pressed={on} onClick={onChoose}>
      <Icon name={icon} />
      {label}
    </button>
  );
}
