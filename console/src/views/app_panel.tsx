// One app: its settings, which are saved together, and what ends it.

import { useSignal } from "@preact/signals";
import { type App, changeApp } from "../api/admin.ts";
import { type Difference, differences, endsAccess } from "../app_draft.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { isEditing } from "../editing.ts";
import { Button, isOver, ProblemNotice, ReadOnlyHint, Text } from "../parts/parts.tsx";
import { offerUndo } from "../parts/undo.tsx";
import { link } from "../route.ts";
import { Keys } from "./app_keys.tsx";
import { discard, draftOf, problemOf, problemsOf, save } from "./app_saving.ts";
import { Admins, Limits, Origins, Settings } from "./app_settings.tsx";
import { EndApp } from "./end_app.tsx";
import { Webhooks } from "./webhooks.tsx";

export function AppPanel({ app }: { app: App }) {
  return (
    <section class="panel app-panel" aria-labelledby="app-title">
      <header class="panel-head">
        <h2 id="app-title">{app.sdkAppId}</h2>
        {app.name && <Text>{app.name}</Text>}
        <span class={app.disabled ? "pill bad" : "pill good"}>{app.disabled ? "disabled" : "enabled"}</span>
        <Enabled app={app} />
      </header>
      <ReadOnlyHint />
      <p class="panel-link">
        <a href={link("calls", "refused", { app: String(app.sdkAppId) })}>Refused requests</a> · <a href={link("calls", "changes", { app: String(app.sdkAppId) })}>Changes by operators</a>
      </p>
      <fieldset class="bare" disabled={!isEditing.value} aria-label={`Settings of app ${app.sdkAppId}`}>
        <Settings app={app} />
        <Admins app={app} />
        <Origins app={app} />
        <Limits app={app} />
        <Keys app={app} />
      </fieldset>
      <Webhooks app={app} />
      <EndApp app={app} />
      <SaveBar app={app} />
    </section>
  );
}

/** Disabling refuses all calls of the app, so it asks first. Enabling can be undone. */
function Enabled({ app }: { app: App }) {
  const isAsking = useSignal(false);
  const problem = useSignal<string | null>(null);
  const set = async (disabled: boolean) => {
    const result = await changeApp(app.sdkAppId, { disabled });
    return result.ok ? null : result.problem;
  };
  const enable = async () => {
    problem.value = await set(false);
    if (!problem.value) offerUndo(`App ${app.sdkAppId} is enabled`, () => set(true));
  };
  return (
    <>
      <ProblemNotice text={problem.value} />
      <Button kind={app.disabled ? "plain" : "danger"} disabled={!isEditing.value} onClick={() => (app.disabled ? void enable() : (isAsking.value = true))}>
        {app.disabled ? "Enable" : "Disable"}
      </Button>
      {isAsking.value && (
        <TypedConfirmation
          title={`Disable app ${app.sdkAppId}?`}
          label="SDKAppID"
          action="Disable"
          expected={String(app.sdkAppId)}
          run={() => set(true)}
          onClose={() => (isAsking.value = false)}
        >
          <p>Within five seconds, every call of the app is refused with 60016. The data stays. Type the number of the app.</p>
        </TypedConfirmation>
      )}
    </>
  );
}

/** What will be saved. It stays in sight while there is something. */
function SaveBar({ app }: { app: App }) {
  const isAsking = useSignal(false);
  const isSaving = useSignal(false);
  const draft = draftOf(app);
  const found = differences(app, draft);
  const problem = problemOf(app);
  const ownProblems = Object.keys(problemsOf(app));
  if (found.length === 0) return null;
  const run = async () => {
    isSaving.value = true;
    await save(app);
    isSaving.value = false;
    return null;
  };
  const ends = endsAccess(app, draft);
  const title = `${found.length} unsaved change${found.length === 1 ? "" : "s"}`;
  return (
    <section class="save-bar" aria-label={title}>
      <div>
        <p role="status">
          <strong>{title}</strong>
        </p>
        <ul>
          {found.map((one) => (
            <Change key={`${one.field} ${one.from} ${one.to}`} one={one} />
          ))}
        </ul>
        {problem && !isOver(problem.problem) && (
          <p class="problem" role="alert">
            Not saved: <Text>{[titleOf(found, problem.field), problem.problem].filter(Boolean).join(" ")}</Text>
          </p>
        )}
        {ownProblems.length > 0 && <p class="problem">Correct first: {ownProblems.map((field) => titleOf(found, field)).join(", ")}.</p>}
      </div>
      <div class="save-actions">
        <Button kind="quiet" disabled={isSaving.value} onClick={() => discard(app)}>
          Discard
        </Button>
        <Button kind="primary" disabled={isSaving.value || !isEditing.value || ownProblems.length > 0} onClick={() => (ends ? (isAsking.value = true) : void run())}>
          {isSaving.value ? "Saving…" : "Save"}
        </Button>
      </div>
      {isAsking.value && ends && (
        <TypedConfirmation
          title="Remove the last admin?"
          label="SDKAppID"
          action="Save"
          expected={String(app.sdkAppId)}
          run={run}
          onClose={() => (isAsking.value = false)}
        >
          <p>{ends} Type the number of the app.</p>
        </TypedConfirmation>
      )}
    </section>
  );
}

/** The name of a field in the list of the changes. */
function titleOf(found: readonly Difference[], field: string | null): string {
  return found.find((one) => one.field === field?.replace(/\[\d+\]$/, ""))?.title ?? "";
}

function Change({ one: { title, from, to } }: { one: Difference }) {
  return (
    <li>
      {title}: {from !== null && <del>{from}</del>} {from !== null && to !== null && "→"} {to !== null && <ins>{to}</ins>}
    </li>
  );
}
