// The dialog that shows a new secret key. No one can read the key again later.

import { signal } from "@preact/signals";
import type { ChangeResult } from "../api/admin.ts";
import { Dialog } from "../parts/inputs.tsx";
import { CopyButton, Notice } from "../parts/parts.tsx";

export const newKey = signal<{ sdkAppId: number; key: string } | null>(null);

/** Opens the dialog if the change made a key. */
export function showKey(result: ChangeResult): void {
  if (result.ok && result.secretKey) newKey.value = { sdkAppId: result.app.sdkAppId, key: result.secretKey };
}

export function NewKey() {
  const { sdkAppId, key } = newKey.value!;
  return (
    <Dialog title={`Secret key of ${sdkAppId}`} onClose={() => (newKey.value = null)}>
      <Notice kind="warning">
        <p>The console shows this key only once. Anyone who has it can sign in as any admin of the app.</p>
      </Notice>
      <div class="secret">
        <code>{key}</code>
        <CopyButton what="the secret key" text={() => key} />
      </div>
    </Dialog>
  );
}
