// The sign-in dialog: to the demo app with one click, or with a secret key or a UserSig.

import { useSignal } from "@preact/signals";
import { demoAdmin, hasDemoApp, isSigningIn, signInToDemoApp, signInWithKey, signInWithUserSig } from "../api/session.ts";
import { Dialog, Input } from "../parts/inputs.tsx";
import { Button, Notice, Text } from "../parts/parts.tsx";

export function SignIn() {
  const form = useSignal({ sdkAppId: "", identifier: "administrator", userSig: "", key: "" });
  const by = useSignal<"key" | "userSig">("key");
  const problem = useSignal<string | null>(null);
  const put = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const submit = (event: Event) => {
    event.preventDefault();
    const { sdkAppId, identifier, userSig, key } = form.value;
    if (!/^[1-9]\d{0,15}$/.test(sdkAppId.trim())) {
      problem.value = "SDKAppID: must be a positive integer";
      return;
    }
    const number = Number(sdkAppId.trim());
    if (by.value === "key") signInWithKey(number, identifier, key.trim());
    else signInWithUserSig(number, identifier, userSig.trim());
  };
  return (
    <Dialog title="Sign in" onClose={() => (isSigningIn.value = false)}>
      {hasDemoApp.value && demoAdmin.value && (
        <div class="at-once">
          <p>
            <code>earmark dev</code> has a demo app, <strong>{demoAdmin.value.sdkAppId}</strong>, with the admin{" "}
            <Text>{demoAdmin.value.identifier}</Text>.
          </p>
          <Button kind="primary" icon="key" onClick={() => void signInToDemoApp()}>
            Sign in to the demo app
          </Button>
          <p class="or">or enter credentials</p>
        </div>
      )}
      <form class="stack" onSubmit={submit}>
        <Input label="SDKAppID" numeric required placeholder="1400000001" value={form.value.sdkAppId} onInput={(sdkAppId) => put({ sdkAppId })} />
        <Input label="Admin" required value={form.value.identifier} onInput={(identifier) => put({ identifier })} hint="The identifier of an admin of the app." />
        <div class="segments" role="group" aria-label="Sign in with">
          <button type="button" class={by.value === "key" ? "segment on" : "segment"} aria-pressed={by.value === "key"} onClick={() => (by.value = "key")}>
            Secret key
          </button>
          <button type="button" class={by.value === "userSig" ? "segment on" : "segment"} aria-pressed={by.value === "userSig"} onClick={() => (by.value = "userSig")}>
            UserSig
          </button>
        </div>
        {by.value === "key" ? (
          <Input
            type="password"
            mono
            required
            label="Secret key"
            value={form.value.key}
            onInput={(key) => put({ key })}
            hint="The page makes a UserSig from the key, valid for 12 hours. It does not send or store the key."
          />
        ) : (
          <Input mono required label="UserSig" value={form.value.userSig} onInput={(userSig) => put({ userSig })} hint="The output of earmark sig." />
        )}
        {problem.value && (
          <Notice kind="bad">
            <p>{problem.value}</p>
          </Notice>
        )}
        <Button kind={hasDemoApp.value ? "plain" : "primary"} type="submit">
          Sign in
        </Button>
      </form>
    </Dialog>
  );
}
