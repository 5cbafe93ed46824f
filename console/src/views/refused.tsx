// Why the service has refused the last requests of an app.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apps, appsProblem, loadApps, operatorToken } from "../api/admin.ts";
import { explain } from "../api/document.ts";
import { type FetchProblem, recoveries } from "../api/fetch.ts";
import { loadRefused, type RefusedRequest } from "../api/refused.ts";
import { session } from "../api/session.ts";
import { Input } from "../parts/inputs.tsx";
import { Ago, Button, CopyButton, Text, Ticked } from "../parts/parts.tsx";
import { link, route, setParams } from "../route.ts";
import { OperatorProblem } from "./operator.tsx";

export function RefusedPanel() {
  const { params } = route.value;
  const app = Number(params.app) || session.value?.sdkAppId || apps.value?.[0]?.sdkAppId || 0;
  const found = useSignal<RefusedRequest[] | null>(null);
  const problem = useSignal<FetchProblem | null>(null);
  const load = async () => {
    // The list of apps is for the choice, and the first request that says whether the token is right.
    if (!apps.value) await loadApps();
    if (appsProblem.value) problem.value = appsProblem.value;
    if (appsProblem.value || !app) return;
    const result = await loadRefused(app);
    problem.value = result.ok ? null : result;
    found.value = result.ok ? result.found : null;
  };
  useEffect(() => void load(), [app, operatorToken.value, recoveries.value]);
  if (problem.value) return <OperatorProblem {...problem.value} retry={() => void load()} />;
  if (!found.value) return <p class="empty">{app ? "Loading…" : "There is no app yet."}</p>;
  const user = params.user ?? "";
  const shown = found.value.filter((one) => user === "" || one.user === user);
  return (
    <section class="panel" aria-label={`Refused requests of app ${app}`}>
      <div class="filters">
        <Input label="UserID" placeholder="all users" value={user} onInput={(value) => setParams({ user: value }, false)} />
        <div class="field">
          <label for="refused-app">App</label>
          <select id="refused-app" onChange={(event) => setParams({ app: event.currentTarget.value }, true)}>
            {(apps.value?.map(({ sdkAppId }) => sdkAppId) ?? [app]).map((one) => (
              <option key={one} value={one} selected={one === app}>
                {one}
              </option>
            ))}
          </select>
        </div>
      </div>
      <header class="panel-head wrap">
        <h2>
          {shown.length} reason{shown.length === 1 ? "" : "s"}
        </h2>
        <p class="measure about">In the memory of the process that answers, for a day at most. The same reason is listed once.</p>
        <Button kind="quiet" icon="refresh" label="Reload" onClick={() => void load()} />
      </header>
      {shown.length === 0 && <p class="empty">Nothing was refused.</p>}
      <ul class="refusals">
        {shown.map((one) => (
          <Refusal key={`${one.at} ${one.requestId}`} one={one} isOfSession={app === session.value?.sdkAppId} />
        ))}
      </ul>
    </section>
  );
}

/** The look-up shows users of the session's app only. */
function Refusal({ one, isOfSession }: { one: RefusedRequest; isOfSession: boolean }) {
  const known = explain(one.code, "recentcontact");
  const now = Math.floor(Date.now() / 1000);
  return (
    <li>
      <p class="result-head">
        <a href={link("codes", String(one.code))}>
          <strong>{one.code}</strong>
        </a>
        <code>{one.call}</code>
        {one.items && (
          <span class="pill warn">
            {one.items.refused} of {one.items.of} refused
          </span>
        )}
        {one.user !== null && (
          <a href={isOfSession ? link("users", one.user) : undefined}>
            <Text>{one.user}</Text>
          </a>
        )}
        <span class="measure">
          {one.times > 1 && `${one.times.toLocaleString("en")} times, `}
          <Ago at={one.at} now={Math.max(now, one.at)} />
        </span>
      </p>
      <p>
        <Text>{one.info || (known?.meaning ?? "")}</Text>
      </p>
      {/* The reason itself is the ErrorInfo that the remedy of a bad parameter refers to. */}
      {known?.remedy && !known.remedy.includes("`ErrorInfo`") && (
        <p class="measure">
          <Ticked text={known.remedy} />
        </p>
      )}
      <p class="request-id">
        Request id <code>{one.requestId}</code>
        <CopyButton what="the request id" text={() => one.requestId} />
      </p>
    </li>
  );
}
