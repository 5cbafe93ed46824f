// The view of the apps, for operators. `earmark dev` takes everyone on this machine for an operator.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apps, appsProblem, createApp, DIRECTORIES, EDITIONS, loadApps, operatorToken } from "../api/admin.ts";
import { Choice, Dialog, Input } from "../parts/inputs.tsx";
import { Button, Notice, ProblemNotice, Text } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { AppPanel } from "./app_panel.tsx";
import { EndReceipt } from "./end_app.tsx";
import { NewKey, newKey, showKey } from "./new_key.tsx";

export function AppsView() {
  useEffect(() => {
    document.title = "Apps – earmark";
    void loadApps();
  }, []);
  const problem = appsProblem.value;
  const isCreating = useSignal(false);
  const current = apps.value?.find(({ sdkAppId }) => String(sdkAppId) === route.value.subject) ?? apps.value?.[0];
  return (
    <article class="apps" aria-labelledby="apps-title">
      <header class="view-head with-action">
        <div>
          <h1 id="apps-title">Apps</h1>
          <p class="lead">Each app has its own users, keys, admins and limits. Changes take effect within five seconds.</p>
        </div>
        {!problem && apps.value && (
          <Button kind="primary" icon="plus" onClick={() => (isCreating.value = true)}>
            New app
          </Button>
        )}
      </header>
      {problem && <Problem status={problem.status} problem={problem.problem} />}
      <EndReceipt />
      {!problem && apps.value && (
        <div class="app-columns">
          <nav aria-label="Apps">
            <ul class="app-list">
              {apps.value.map((app) => (
                <li key={app.sdkAppId}>
                  <a href={link("apps", String(app.sdkAppId))} aria-current={app === current ? "true" : undefined}>
                    <strong>{app.sdkAppId}</strong>
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
          {current && <AppPanel key={current.sdkAppId} app={current} />}
        </div>
      )}
      {isCreating.value && <NewApp onClose={() => (isCreating.value = false)} />}
      {newKey.value && <NewKey />}
    </article>
  );
}

function Problem({ status, problem }: { status: number; problem: string }) {
  const token = useSignal("");
  const needsToken = status === 401;
  // The first request has no token, so a 401 is an error only once the user has entered one.
  const kind = needsToken && !operatorToken.value ? "info" : "bad";
  return (
    <>
      <Notice key={kind} kind={kind}>
        <p>
          <Text>{problem}</Text>
        </p>
      </Notice>
      {needsToken ? (
        <form
          class="panel token-form"
          onSubmit={(event) => {
            event.preventDefault();
            operatorToken.value = token.value;
            void loadApps();
          }}
        >
          <Input
            type="password"
            label="Operator token"
            value={token.value}
            onInput={(value) => (token.value = value)}
            hint="Kept in the memory of this tab only. Closing or reloading the tab discards it."
            required
          />
          <Button kind="primary" icon="key" type="submit">
            Open
          </Button>
        </form>
      ) : (
        <Button icon="refresh" onClick={() => void loadApps()}>
          Try again
        </Button>
      )}
    </>
  );
}

function NewApp({ onClose }: { onClose: () => void }) {
  const form = useSignal({ sdkappid: "", edition: "premium", directory: "open", admin: "administrator" });
  const problem = useSignal<string | null>(null);
  const put = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const submit = async (event: Event) => {
    event.preventDefault();
    const { sdkappid, edition, directory, admin } = form.value;
    const number = /^\d{1,15}$/.test(sdkappid) ? Number(sdkappid) : sdkappid;
    const result = await createApp({ sdkappid: number, edition, directory, admins: admin ? [admin] : [] });
    if (result.ok) {
      onClose();
      showKey(result);
      go("apps", String(result.app.sdkAppId));
    } else problem.value = result.problem;
  };
  return (
    <Dialog title="New app" onClose={onClose}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <Input label="SDKAppID" numeric required placeholder="1400000002" value={form.value.sdkappid} onInput={(sdkappid) => put({ sdkappid })} />
        <Choice label="Edition" value={form.value.edition} options={EDITIONS} onChoose={(edition) => put({ edition })} />
        <Choice label="Directory" value={form.value.directory} options={Object.keys(DIRECTORIES)} titles={DIRECTORIES} onChoose={(directory) => put({ directory })} />
        <Input label="Admin" value={form.value.admin} onInput={(admin) => put({ admin })} hint="This identifier may call the API." />
        <ProblemNotice text={problem.value} />
        <Button kind="primary" type="submit">
          Create
        </Button>
      </form>
    </Dialog>
  );
}
