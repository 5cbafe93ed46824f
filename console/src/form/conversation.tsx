// The fields that name a conversation: a conversation with a user, or one in a chat group.

import { useId, useRef } from "preact/hooks";
import type { Schema } from "../api/document.ts";
import type { Json, Path } from "../json.ts";
import { Icon } from "../parts/icons.tsx";
import { useField } from "./form.tsx";

export interface ConversationFields {
  /** The field for the id of a chat group. Calls name it differently. */
  chatGroup: string;
  all: string[];
}

/** The fields among these properties that name a conversation, or null if there are none. */
export function conversationFields(properties: Record<string, Schema>): ConversationFields | null {
  const chatGroups = ["ToGroupId", "GroupId", "ToGroupid"].filter((name) => name in properties);
  const isConversation = "Type" in properties && "To_Account" in properties && chatGroups.length > 0;
  if (!isConversation) return null;
  // Some calls take an old and a new name. The form writes the one that the document lists first.
  const chatGroup = Object.keys(properties).find((name) => chatGroups.includes(name))!;
  return { chatGroup, all: ["Type", "To_Account", ...chatGroups] };
}

export function Conversation({ path, fields }: { path: Path; fields: ConversationFields }) {
  const type = useField([...path, "Type"]);
  const account = useField([...path, "To_Account"]);
  const chatGroup = useField([...path, fields.chatGroup]);
  const id = useId();
  const isChatGroup = type.value === 2;
  const peer = isChatGroup ? chatGroup : account;
  const name = isChatGroup ? fields.chatGroup : "To_Account";
  const wrong = type.wrong ?? peer.wrong;
  // A request has the id of one type only. The form remembers the other id for when the user switches back.
  const remembered = useRef<{ account?: Json | undefined; chatGroup?: Json | undefined }>({}).current;
  const choose = (kind: 1 | 2) => {
    if (kind === type.value) return;
    type.change(kind);
    const [from, to] = kind === 1 ? ([chatGroup, account] as const) : ([account, chatGroup] as const);
    const [old, now] = kind === 1 ? (["chatGroup", "account"] as const) : (["account", "chatGroup"] as const);
    if (from.value !== undefined) remembered[old] = from.value;
    from.change(undefined);
    to.change(to.value ?? remembered[now] ?? "");
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
          <Segment icon="group" label="Chat group" on={isChatGroup} onChoose={() => choose(2)} />
        </div>
        <input
          id={id}
          value={typeof peer.value === "string" ? peer.value : peer.value === undefined ? "" : JSON.stringify(peer.value)}
          placeholder={isChatGroup ? "@TGS#…" : "UserID"}
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

export function Segment({ icon, label, on, onChoose }: { icon: "user" | "group"; label: string; on: boolean; onChoose: () => void }) {
  return (
    <button type="button" class={on ? "segment on" : "segment"} aria-pressed={on} onClick={onChoose}>
      <Icon name={icon} />
      {label}
    </button>
  );
}
