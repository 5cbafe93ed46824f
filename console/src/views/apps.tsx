// The view of the apps, for operators. `earmark dev` takes everyone on this machine for an operator.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apps, appsProblem, createApp, DIRECTORIES, EDITIONS, loadApps } from "../api/admin.ts";
import { numberOr } from "../app_draft.ts";
import { type FetchProblem, recoveries, wordsOf } from "../api/fetch.ts";
import { isEditing } from "../editing.ts";
import { Choice, Dialog, Input } from "../parts/inputs.tsx";
import { Button, Notice, ProblemNotice, Text } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { AppPanel } from "./app_panel.tsx";
import { EndReceipt } from "./end_app.tsx";
import { OperatorProblem } from "./operator.tsx";
import { NewKey, newKey, showKey } from "./new_key.tsx";

export function AppsView() {
  useEffect(() => {
    document.title = "Apps – earmark";
  }, []);
  useEffect(() => void loadApps(), [recoveries.value]);
  const problem = appsProblem.value;
  const isCreating = useSignal(false);
  const wanted = route.value.subject;
  const current = wanted ? apps.value?.find(({ sdkAppId }) => String(sdkAppId) === wanted) : apps.value?.[0];
  return (
    <article class="apps" aria-labelledby="apps-title">
      <header class="view-head with-action">
        <div>
          <h1 id="apps-title">Apps</h1>
          <p class="lead">Each app has its own users, keys, admins and limits. Changes take effect within five seconds.</p>
        </div>
        {!problem && apps.value && (
          <Button kind="primary" icon="plus" disabled={!isEditing.value} onClick={() => (isCreating.value = true)}>
            New app
          </Button>
        )}
      </header>
      {problem && <OperatorProblem {...problem} retry={() => void loadApps()} />}
      <EndReceipt />
      {!problem && apps.value && (
        <div class="app-columns">
          <nav aria-label="Apps">
            <ul class="app-list">
              {apps.value.map((app) => (
                <li key={app.sdkAppId}>
                  <a href={link("apps", String(app.sdkAppId))} aria-current={app === current ? "true" : undefined}>
                    <strong>{app.sdkAppId}</strong>
                    {app.name && <Text>{app.name}</Text>}
                    <span class="measure">
                      {app.edition} · {app.directory}
                    </span>
                    {app.disabled && <span class="pill bad">disabled</span>}
                  </a>
                </li>
              ))}
            </ul>
            {apps.value.length === 0 && <p class="empty">There is no app yet.</p>}
          </nav>
          {current ? (
            <AppPanel key={current.sdkAppId} app={current} />
          ) : (
            wanted && (
              <Notice kind="warning">
                <p>
                  There is no app <Text>{wanted}</Text>.
                </p>
              </Notice>
            )
          )}
        </div>
      )}
      {isCreating.value && <NewApp onClose={() => (isCreating.value = false)} />}
      {newKey.value && <NewKey />}
    </article>
  );
}

function NewApp({ onClose }: { onClose: () => void }) {
  const form = useSignal({ sdkappid: "", edition: "premium", directory: "open", admin: "administrator" });
  const problem = useSignal<FetchProblem | null>(null);
  const put = (change: Partial<typeof form.value>) => {
    form.value = { ...form.value, ...change };
    problem.value = null;
  };
  const wrong = (field: string) => (problem.value?.field?.startsWith(field) ? wordsOf(problem.value) : null);
  const submit = async (event: Event) => {
    event.preventDefault();
    const { sdkappid, edition, directory, admin } = form.value;
    const result = await createApp({ sdkappid: numberOr(sdkappid), edition, directory, admins: admin ? [admin] : [] });
    if (result.ok) {
      onClose();
      showKey(result);
      go("apps", String(result.app.sdkAppId));
    } else problem.value = result;
  };
  return (
    <Dialog title="New app" onClose={onClose}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <Input label="SDKAppID" numeric required placeholder="1400000002" value={form.value.sdkappid} onInput={(sdkappid) => put({ sdkappid })} hint="A whole number, which no other app has." wrong={wrong("sdkappid")} />
        <Choice label="Edition" value={form.value.edition} options={EDITIONS} onChoose={(edition) => put({ edition })} wrong={wrong("edition")} />
        <Choice label="Directory" value={form.value.directory} options={Object.keys(DIRECTORIES)} titles={DIRECTORIES} onChoose={(directory) => put({ directory })} wrong={wrong("directory")} />
        <Input label="Admin" value={form.value.admin} onInput={(admin) => put({ admin })} hint="This identifier may call the API." wrong={wrong("admins")} />
        {problem.value?.field === null && <ProblemNotice text={problem.value.problem} />}
        <Button kind="primary" type="submit">
          Create
        </Button>
      </form>
    </Dialog>
  );
}
