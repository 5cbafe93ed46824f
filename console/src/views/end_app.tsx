// Resets an app or deletes it, after its number was typed.

import { signal, useSignal } from "@preact/signals";
import type { App } from "../api/admin.ts";
import { deleteApp, type EndResult, resetApp } from "../api/ending.ts";
import { isEditing } from "../editing.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { announcement, Button, Notice } from "../parts/parts.tsx";
import { counted } from "../receipt.ts";

/** What the last reset or deletion has removed. The panel of a deleted app is gone, so the view shows it. */
const receipt = signal<string | null>(null);

export function EndReceipt() {
  return receipt.value ? (
    <Notice kind="good">
      <p>{receipt.value}</p>
    </Notice>
  ) : null;
}

export function EndApp({ app }: { app: App }) {
  const ending = useSignal<"reset" | "delete" | null>(null);
  const close = () => (ending.value = null);
  const noted = (what: string, result: EndResult) => {
    if (!result.ok) return result.problem;
    receipt.value = `App ${app.sdkAppId} is ${what}: ${counted(result.removed)}.`;
    announcement.value = receipt.value;
    return null;
  };
  return (
    <section class="group">
      <h3>Reset or delete</h3>
      <p class="hint">
        A reset removes the state of all users, the accounts and the chat groups. The app with its keys, admins and limits stays. Neither can be
        undone: export the app first if it may be needed.
      </p>
      <div class="confirm">
        <Button kind="danger" disabled={!isEditing.value} onClick={() => (ending.value = "reset")}>
          Reset app
        </Button>
        <Button kind="danger" disabled={!isEditing.value} onClick={() => (ending.value = "delete")}>
          Delete app
        </Button>
      </div>
      {ending.value === "reset" && (
        <TypedConfirmation
          title={`Reset app ${app.sdkAppId}?`}
          label="SDKAppID"
          action="Reset"
          expected={String(app.sdkAppId)}
          run={async () => noted("reset", await resetApp(app.sdkAppId))}
          onClose={close}
        >
          <p>The state of all its users is removed for good. Type the number of the app.</p>
        </TypedConfirmation>
      )}
      {ending.value === "delete" && (
        <TypedConfirmation
          title={`Delete app ${app.sdkAppId}?`}
          label="SDKAppID"
          action="Delete"
          expected={String(app.sdkAppId)}
          run={async () => noted("deleted", await deleteApp(app.sdkAppId))}
          onClose={close}
        >
          <p>The app and the state of all its users are removed for good. Type the number of the app.</p>
        </TypedConfirmation>
      )}
    </section>
  );
}
