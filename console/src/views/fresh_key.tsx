// A secret key that was just made. It is shown once.

import { signal } from "@preact/signals";
import type { Done } from "../api/admin.ts";
import { Dialog } from "../parts/inputs.tsx";
import { CopyButton, Notice } from "../parts/parts.tsx";

export const freshKey = signal<{ sdkAppId: number; key: string } | null>(null);

/** Shows the key that something made, if it did. */
export function show(done: Done): void {
  if (done.ok && done.secretKey) freshKey.value = { sdkAppId: done.app.sdkAppId, key: done.secretKey };
}

export function FreshKey() {
  const { sdkAppId, key } = freshKey.value!;
  return (
    <Dialog title={`Secret key of ${sdkAppId}`} onClose={() => (freshKey.value = null)}>
      <Notice kind="warning">
        <p>It is shown this once. Whoever has it can sign in as any admin of the app.</p>
      </Notice>
      <div class="secret">
        <code>{key}</code>
        <CopyButton what="the secret key" text={() => key} />
      </div>
    </Dialog>
  );
}
