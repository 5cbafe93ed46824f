// What can be done with the conversations that are chosen in the table.

import { useSignal } from "@preact/signals";
import type { Patch } from "../../../clients/typescript/src/client.ts";
import { type Conversation, key } from "../api/conversations.ts";
import { isEditing } from "../editing.ts";
import { Button } from "../parts/parts.tsx";
import { chosen, found, namedBits, names } from "./lookup.ts";
import { changeMany, markOf } from "./lookup_changes.ts";

export function BulkBar({ shown }: { shown: Conversation[] }) {
  const isRunning = useSignal(false);
  const picked = (found.value?.conversations ?? []).filter((one) => chosen.value.has(key(one)));
  if (picked.length === 0) return null;
  const run = async (patch: Patch) => {
    isRunning.value = true;
    await changeMany(picked, patch);
    isRunning.value = false;
  };
  return (
    <div class="bulk" role="group" aria-label="Chosen conversations">
      <strong>{picked.length} chosen</strong>
      {shown.length > picked.length && (
        <Button kind="quiet" onClick={() => (chosen.value = new Set(shown.map(key)))}>
          Choose all {shown.length} that match
        </Button>
      )}
      <Button kind="quiet" onClick={() => (chosen.value = new Set())}>
        Choose none
      </Button>
      {isEditing.value && <Actions busy={isRunning.value} run={(patch) => void run(patch)} />}
    </div>
  );
}

function Actions({ busy, run }: { busy: boolean; run: (patch: Patch) => void }) {
  const groups = found.value?.contactGroups ?? [];
  const bits = [...new Set([...namedBits.value, ...(found.value?.conversations ?? []).flatMap((one) => one.bits)])];
  const bit = useSignal(0);
  const group = useSignal(groups[0]?.name ?? "");
  return (
    <>
      <span class="joined">
        <select class="small" aria-label="Mark" onChange={(event) => (bit.value = Number(event.currentTarget.value))}>
          {bits.map((one) => (
            <option key={one} value={one} selected={one === bit.value}>
              {names.value.mark(one)}
            </option>
          ))}
        </select>
        <Button busy={busy} onClick={() => run({ set: [markOf(bit.value)] })}>
          Set mark
        </Button>
        <Button busy={busy} onClick={() => run({ clear: [markOf(bit.value)] })}>
          Clear mark
        </Button>
      </span>
      {groups.length > 0 && (
        <span class="joined">
          <select class="small" aria-label="Contact group" onChange={(event) => (group.value = event.currentTarget.value)}>
            {groups.map(({ id, name }) => (
              <option key={id} value={name} selected={name === group.value}>
                {name}
              </option>
            ))}
          </select>
          <Button busy={busy} onClick={() => run({ add_to: [group.value] })}>
            Add
          </Button>
          <Button busy={busy} onClick={() => run({ remove_from: [group.value] })}>
            Remove
          </Button>
        </span>
      )}
      <span class="joined">
        <Button busy={busy} onClick={() => run({ pinned: true })}>
          Pin
        </Button>
        <Button busy={busy} onClick={() => run({ pinned: false })}>
          Unpin
        </Button>
      </span>
    </>
  );
}
