// The call as a curl command and as programs, to copy.

import { signal } from "@preact/signals";
import type { Call } from "../api/document.ts";
import { session } from "../api/session.ts";
import { CopyButton } from "../parts/parts.tsx";
import { SNIPPETS } from "../snippets.ts";
import type { Draft } from "./drafts.ts";

const chosen = signal(SNIPPETS[0]!.id);
const revealed = signal(false);

export function SnippetPanel({ call, draft }: { call: Call; draft: Draft }) {
  const snippet = SNIPPETS.find(({ id }) => id === chosen.value) ?? SNIPPETS[0]!;
  const who = session.value ?? { sdkAppId: 1400000001, identifier: "administrator", userSig: "" };
  const isCurl = snippet.id === "curl";
  const userSig = isCurl && revealed.value && session.value ? session.value.userSig : undefined;
  const text = snippet.text({ origin: location.origin, path: call.path, body: draft.text.value, session: who, userSig });
  return (
    <section class="panel snippet-panel" aria-label="The call as code">
      <header class="panel-head">
        <h2 class="visually-hidden">The call as code</h2>
        <div class="segments" role="group" aria-label="Language">
          {SNIPPETS.map(({ id, title }) => (
            <button
              key={id}
              type="button"
              class={id === snippet.id ? "segment on" : "segment"}
              aria-pressed={id === snippet.id}
              onClick={() => (chosen.value = id)}
            >
              {title}
            </button>
          ))}
        </div>
        <CopyButton what={`the ${snippet.title} call`} text={() => text} />
      </header>
      <pre class="code" tabIndex={0} aria-label={`The call in ${snippet.title}`}>
        {text}
      </pre>
      {isCurl && session.value && (
        <label class="check">
          <input
            type="checkbox"
            checked={revealed.value}
            onChange={(event) => (revealed.value = event.currentTarget.checked)}
          />
          Include my UserSig. Anyone who has it can call the API as <bdi>{session.value.identifier}</bdi>.
        </label>
      )}
      {snippet.install && (
        <p class="hint install">
          <code>{snippet.install}</code>
          <CopyButton what="the line that installs" text={() => snippet.install!} />
          <span>
            The program reads the secret key from the environment variable <code>SECRET_KEY</code>.
          </span>
        </p>
      )}
    </section>
  );
}
