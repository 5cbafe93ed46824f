// Erases a user, after the user's id was typed, and shows what was erased.

import { signal, useSignal } from "@preact/signals";
import { eraseUser } from "../api/ending.ts";
import { session } from "../api/session.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { announcement, Button, Notice, Text } from "../parts/parts.tsx";
import { counted } from "../receipt.ts";
import { load } from "./lookup.ts";

const receipt = signal<{ user: string; text: string } | null>(null);

export function EraseUser({ user }: { user: string }) {
  const isAsking = useSignal(false);
  const caller = session.value;
  if (!caller) return null;
  const run = async () => {
    const result = await eraseUser(caller.sdkAppId, user);
    if (!result.ok) return result.problem;
    receipt.value = { user, text: counted(result.removed) };
    announcement.value = `Erased: ${receipt.value.text}`;
    void load(user);
    return null;
  };
  return (
    <section class="panel group" aria-label="Erase the user">
      {receipt.value?.user === user && (
        <Notice kind="good">
          <p>
            <Text>{user}</Text> is erased: {receipt.value.text}.
          </p>
        </Notice>
      )}
      <p class="hint">Erasing removes the account, all of the user's state, and the user from the lists of others. It needs the operator token.</p>
      <Button kind="danger" onClick={() => (isAsking.value = true)}>
        Erase this user
      </Button>
      {isAsking.value && (
        <TypedConfirmation title="Erase this user?" label="UserID" action="Erase" expected={user} run={run} onClose={() => (isAsking.value = false)}>
          <p>
            Everything about <Text>{user}</Text> is removed for good. Type the UserID.
          </p>
        </TypedConfirmation>
      )}
    </section>
  );
}
