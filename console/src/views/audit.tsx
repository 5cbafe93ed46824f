// What operators have changed: who, from where, what was before, and what is after.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apps, loadApps, operatorToken } from "../api/admin.ts";
import { type Change, type Difference, loadChanges, loadToken, type Token } from "../api/audit.ts";
import { type FetchProblem, recoveries } from "../api/fetch.ts";
import { Ago, Button, CopyButton, Text } from "../parts/parts.tsx";
import { link, route, setParams } from "../route.ts";
import { OperatorProblem } from "./operator.tsx";

/** Fields of one change that are shown before someone asks for all. */
const SHOWN = 6;

export function AuditPanel() {
  const app = Number(route.value.params.app) || 0;
  const found = useSignal<Change[] | null>(null);
  const next = useSignal<number | null>(null);
  const problem = useSignal<FetchProblem | null>(null);
  const token = useSignal<Token | null>(null);
  const load = async (before: number | null = null) => {
    const page = await loadChanges(app, before);
    problem.value = page.ok ? null : page;
    if (!page.ok) return;
    found.value = before === null ? page.changes : [...(found.value ?? []), ...page.changes];
    next.value = page.next;
    token.value ??= await loadToken();
    // For the list of apps to choose from. An operator who may not read the apps does not get here.
    if (!apps.value) await loadApps();
  };
  useEffect(() => {
    token.value = null;
    void load();
  }, [app, operatorToken.value, recoveries.value]);
  if (problem.value) return <OperatorProblem {...problem.value} retry={() => void load()} />;
  if (!found.value) return <p class="empty">Loading…</p>;
  const numbers = apps.value?.map(({ sdkAppId }) => sdkAppId) ?? [];
  return (
    <section class="panel" aria-label="Changes by operators">
      <div class="filters">
        <div class="field">
          <label for="audit-app">App</label>
          <select id="audit-app" onChange={(event) => setParams({ app: event.currentTarget.value }, true)}>
            <option value="" selected={app === 0}>
              all apps
            </option>
            {/* An app that was deleted has changes, too. */}
            {[...new Set([...numbers, ...(app ? [app] : [])])].map((one) => (
              <option key={one} value={one} selected={one === app}>
                {one}
              </option>
            ))}
          </select>
        </div>
      </div>
      <header class="panel-head wrap">
        <h2>
          {found.value.length}
          {next.value === null ? "" : "+"} change{found.value.length === 1 ? "" : "s"}
        </h2>
        {token.value && (
          <p class="measure about">
            You are <Text>{token.value.name}</Text>, with the scopes {token.value.scopes.join(", ")}.
          </p>
        )}
        <Button kind="quiet" icon="refresh" label="Reload" onClick={() => void load()} />
      </header>
      {found.value.length === 0 && <p class="empty">Nothing was changed.</p>}
      <ul class="refusals">
        {found.value.map((one) => (
          <Entry key={one.number} one={one} />
        ))}
      </ul>
      {next.value !== null && (
        <p class="panel-link">
          <Button onClick={() => void load(next.value)}>Older changes</Button>
        </p>
      )}
    </section>
  );
}

function Entry({ one }: { one: Change }) {
  const isWhole = useSignal(false);
  const now = Math.floor(Date.now() / 1000);
  const shown = isWhole.value ? one.differences : one.differences.slice(0, SHOWN);
  const more = one.differences.length - shown.length;
  return (
    <li>
      <p class="result-head">
        <strong>{one.action}</strong>
        {one.app !== null && <a href={link("apps", String(one.app))}>{one.app}</a>}
        {one.target !== null && (
          <code>
            <Text>{one.target}</Text>
          </code>
        )}
        {one.isUnfinished && <span class="pill warn">not finished</span>}
        <span class="measure">
          <Ago at={one.at} now={Math.max(now, one.at)} />
        </span>
      </p>
      <p class="measure">
        by <Text>{one.operator}</Text>, {one.from === "command line" ? "on the command line" : `from ${one.from}`}, role <Text>{one.role}</Text>
      </p>
      {shown.length > 0 && (
        <ul class="audit-fields">
          {shown.map((field) => (
            <Field key={field.field} one={field} />
          ))}
        </ul>
      )}
      {more > 0 && (
        <p>
          <Button kind="quiet" onClick={() => (isWhole.value = true)}>
            {`Show ${more} more`}
          </Button>
        </p>
      )}
      {one.requestId !== null && (
        <p class="request-id">
          Request id <code>{one.requestId}</code>
          <CopyButton what="the request id" text={() => one.requestId!} />
        </p>
      )}
    </li>
  );
}

function Field({ one: { field, before, after } }: { one: Difference }) {
  return (
    <li>
      <span class="measure">{field.replaceAll(/[_-]/g, " ")}</span>{" "}
      {before !== null && (
        <del>
          <Text>{before || "nothing"}</Text>
        </del>
      )}{" "}
      {after !== null && (
        <ins>
          <Text>{after || "nothing"}</Text>
        </ins>
      )}
    </li>
  );
}
