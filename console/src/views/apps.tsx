// Apps: what an operator sets. In `dev` anyone at this machine is one.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apps, appsProblem, createApp, DIRECTORIES, EDITIONS, loadApps, operatorToken } from "../api/admin.ts";
import { Choice, Dialog, Input } from "../parts/inputs.tsx";
import { Button, Notice, Text } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { AppPanel } from "./app_panel.tsx";
import { FreshKey, freshKey, show } from "./fresh_key.tsx";

export function AppsView() {
  useEffect(() => {
    document.title = "Apps – earmark";
    void loadApps();
  }, []);
  const problem = appsProblem.value;
  const creating = useSignal(false);
  const asked = apps.value?.find(({ sdkAppId }) => String(sdkAppId) === route.value.subject) ?? apps.value?.[0];
  return (
    <article class="apps" aria-labelledby="apps-title">
      <header class="view-head with-action">
        <div>
          <h1 id="apps-title">Apps</h1>
          <p class="lead">Each app has its own users, keys, admins and limits. Changes count within five seconds.</p>
        </div>
        {!problem && apps.value && (
          <Button kind="primary" icon="plus" onClick={() => (creating.value = true)}>
            New app
          </Button>
        )}
      </header>
      {problem && <Refused status={problem.status} problem={problem.problem} />}
      {!problem && apps.value && (
        <div class="app-columns">
          <nav aria-label="Apps">
            <ul class="app-list">
              {apps.value.map((app) => (
                <li key={app.sdkAppId}>
                  <a href={link("apps", String(app.sdkAppId))} aria-current={app === asked ? "true" : undefined}>
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
          {asked && <AppPanel key={asked.sdkAppId} app={asked} />}
        </div>
      )}
      {creating.value && <Create onClose={() => (creating.value = false)} />}
      {freshKey.value && <FreshKey />}
    </article>
  );
}

function Refused({ status, problem }: { status: number; problem: string }) {
  const token = useSignal("");
  const isToken = status === 401;
  // To be asked for the token is no failure; a token that is refused is one.
  const kind = isToken && !operatorToken.value ? "info" : "bad";
  return (
    <>
      <Notice key={kind} kind={kind}>
        <p>
          <Text>{problem}</Text>
        </p>
      </Notice>
      {isToken ? (
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
            hint="Stays in this tab's memory: gone when it is closed or loaded again."
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

function Create({ onClose }: { onClose: () => void }) {
  const form = useSignal({ sdkappid: "", edition: "premium", directory: "open", admin: "administrator" });
  const problem = useSignal<string | null>(null);
  const put = (change: Partial<typeof form.value>) => (form.value = { ...form.value, ...change });
  const submit = async (event: Event) => {
    event.preventDefault();
    const { sdkappid, edition, directory, admin } = form.value;
    const number = /^\d{1,15}$/.test(sdkappid) ? Number(sdkappid) : sdkappid;
    const done = await createApp({ sdkappid: number, edition, directory, admins: admin ? [admin] : [] });
    if (done.ok) {
      onClose();
      show(done);
      go("apps", String(done.app.sdkAppId));
    } else problem.value = done.problem;
  };
  return (
    <Dialog title="New app" onClose={onClose}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <Input label="SDKAppID" numeric required placeholder="1400000002" value={form.value.sdkappid} onInput={(sdkappid) => put({ sdkappid })} />
        <Choice label="Edition" value={form.value.edition} options={EDITIONS} onChoose={(edition) => put({ edition })} />
        <Choice label="Directory" value={form.value.directory} options={Object.keys(DIRECTORIES)} titles={DIRECTORIES} onChoose={(directory) => put({ directory })} />
        <Input label="Admin" value={form.value.admin} onInput={(admin) => put({ admin })} hint="The identifier that may call the API." />
        {problem.value && (
          <Notice kind="bad">
            <p>
              <Text>{problem.value}</Text>
            </p>
          </Notice>
        )}
        <Button kind="primary" type="submit">
          Create
        </Button>
      </form>
    </Dialog>
  );
}
