// Exports a user to a file, and erases a user, after the user's id was typed, and shows what was erased.

import { signal, useSignal } from "@preact/signals";
import { operatorToken } from "../api/admin.ts";
import { eraseUser, exportUser } from "../api/ending.ts";
import type { FetchProblem } from "../api/fetch.ts";
import { session } from "../api/session.ts";
import { isEditing } from "../editing.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { announcement, Button, Notice, ProblemNotice, Text } from "../parts/parts.tsx";
import { saveFile } from "../parts/save_file.ts";
import { forgetRecent } from "../recent.ts";
import { counted } from "../receipt.ts";
import { load } from "./lookup.ts";
import { OperatorProblem } from "./operator.tsx";

const receipt = signal<{ user: string; text: string } | null>(null);

export function EraseUser({ user }: { user: string }) {
  const isAsking = useSignal(false);
  const problem = useSignal<FetchProblem | null>(null);
  const caller = session.value;
  if (!caller) return null;
  /** What is done once there is an operator token. */
  const again = useSignal<() => void>(() => {});
  const ask = () => {
    isAsking.value = operatorToken.value !== "";
    problem.value = isAsking.value ? null : { ok: false, status: 401, problem: "This needs the operator token.", field: null };
    again.value = ask;
  };
  const save = async () => {
    const exported = await exportUser(caller.sdkAppId, user);
    problem.value = exported.ok ? null : exported;
    again.value = save;
    if (exported.ok) saveFile(`${caller.sdkAppId}-${user}.ndjson`, "application/x-ndjson", exported.text);
  };
  const run = async () => {
    const result = await eraseUser(caller.sdkAppId, user);
    if (!result.ok) return result.problem;
    receipt.value = { user, text: counted(result.removed) };
    announcement.value = `Erased: ${receipt.value.text}`;
    forgetRecent(caller.sdkAppId, user);
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
      {problem.value?.status === 401 ? (
        <OperatorProblem {...problem.value} retry={() => again.value()} />
      ) : (
        <ProblemNotice text={problem.value && problem.value.problem} />
      )}
      <p class="hint">
        An export has everything that is stored about the user. Erasing removes the account, all of the user's state, and the user from the lists
        of others. Both need the operator token.
      </p>
      <div class="confirm">
        <Button onClick={() => void save()}>Export this user</Button>
        <Button kind="danger" disabled={!isEditing.value} onClick={ask}>
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
