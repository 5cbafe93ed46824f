// The sign-in dialog: to the demo app with one click, or with a secret key or a UserSig.

import { useSignal } from "@preact/signals";
import { explain } from "../api/document.ts";
import { demoAdmin, hasDemoApp, isSigningIn, type Refusal, signInToDemoApp, signInWithKey, signInWithUserSig } from "../api/session.ts";
import { parseProblem } from "../json.ts";
import { Dialog, Input } from "../parts/inputs.tsx";
import { Button, isOver, Notice, Text, Ticked } from "../parts/parts.tsx";

export function SignIn() {
  const form = useSignal({ sdkAppId: "", identifier: "administrator", userSig: "", key: "" });
  const by = useSignal<"key" | "userSig">("key");
  const refused = useSignal<Refusal | null>(null);
  const isChecking = useSignal(false);
  const put = (change: Partial<typeof form.value>) => {
    form.value = { ...form.value, ...change };
    refused.value = null;
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (isChecking.value) return;
    const { sdkAppId, identifier, userSig, key } = form.value;
    if (!/^[1-9]\d{0,15}$/.test(sdkAppId.trim())) {
      refused.value = { code: null, info: "must be a positive integer", field: "sdkappid" };
      return;
    }
    const number = Number(sdkAppId.trim());
    isChecking.value = true;
    refused.value = await (by.value === "key" ? signInWithKey(number, identifier, key.trim()) : signInWithUserSig(number, identifier, userSig.trim()));
    isChecking.value = false;
  };
  const wrong = (field: Refusal["field"]) => refused.value?.field === field && <Reason refused={refused.value} />;
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
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <Input
          label="SDKAppID"
          numeric
          required
          placeholder="1400000001"
          value={form.value.sdkAppId}
          onInput={(sdkAppId) => put({ sdkAppId })}
          wrong={wrong("sdkappid")}
        />
        <Input
          label="Admin"
          required
          value={form.value.identifier}
          onInput={(identifier) => put({ identifier })}
          hint="The identifier of an admin of the app."
          wrong={wrong("identifier")}
        />
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
            key="key"
            type="password"
            mono
            required
            label="Secret key"
            value={form.value.key}
            onInput={(key) => put({ key })}
            hint="The page makes a UserSig from the key, valid for 12 hours. It does not send or store the key."
            wrong={wrong("usersig")}
          />
        ) : (
          <Input
            key="userSig"
            mono
            required
            label="UserSig"
            value={form.value.userSig}
            onInput={(userSig) => put({ userSig })}
            hint="The output of earmark sig."
            wrong={wrong("usersig")}
          />
        )}
        {refused.value?.field === null && !isOver(refused.value.info) && (
          <Notice kind="bad">
            <Reason refused={refused.value} />
          </Notice>
        )}
        <Button kind={hasDemoApp.value ? "plain" : "primary"} type="submit">
          {isChecking.value ? "Checking…" : "Sign in"}
        </Button>
      </form>
    </Dialog>
  );
}

/** What the service says, and what its code means. */
function Reason({ refused: { code, info, field } }: { refused: Refusal }) {
  // The label of the input says which field it is.
  const problem = (field && parseProblem(info)?.problem) ?? info;
  const known = code === null ? undefined : explain(code, "im_open_login_svc");
  return (
    <>
      <p>
        {code !== null && <strong>{code} </strong>}
        <Text>{problem}</Text>
      </p>
      {known && (
        <p>
          <Ticked text={known.remedy} />
        </p>
      )}
    </>
  );
}
