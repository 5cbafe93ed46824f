// Exports a user to a file, and erases a user, after the user's id was typed, and shows what was erased.

import { signal, useSignal } from "@preact/signals";
import { eraseUser, exportUser } from "../api/ending.ts";
import { session } from "../api/session.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { announcement, Button, Notice, Text } from "../parts/parts.tsx";
import { counted } from "../receipt.ts";
import { load } from "./lookup.ts";

const receipt = signal<{ user: string; text: string } | null>(null);

export function EraseUser({ user }: { user: string }) {
  const isAsking = useSignal(false);
  const problem = useSignal<string | null>(null);
  const caller = session.value;
  if (!caller) return null;
  const save = async () => {
    const exported = await exportUser(caller.sdkAppId, user);
    problem.value = exported.ok ? null : exported.problem;
    if (exported.ok) saveFile(`${caller.sdkAppId}-${user}.ndjson`, exported.text);
  };
  const run = async () => {
    const result = await eraseUser(caller.sdkAppId, user);
    if (!result.ok) return result.problem;
    receipt.value = { user, text: counted(result.removed) };
    announcement.value = `Erased: ${receipt.value.text}`;
    void load(user);
    return null;
  };
  return (
    <section class="panel group" aria-label="Export or erase the user">
      {receipt.value?.user === user && (
        <Notice kind="good">
          <p>
            <Text>{user}</Text> is erased: {receipt.value.text}.
          </p>
        </Notice>
      )}
      {problem.value && <Notice kind="bad">{problem.value}</Notice>}
      <p class="hint">
        An export has everything that is stored about the user. Erasing removes the account, all of the user's state, and the user from the lists
        of others. Both need the operator token.
      </p>
      <div class="confirm">
        <Button onClick={() => void save()}>Export this user</Button>
        <Button kind="danger" onClick={() => (isAsking.value = true)}>
          Erase this user
        </Button>
      </div>
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

function saveFile(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
