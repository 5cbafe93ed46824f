// The settings of one app. The page saves each of them separately.

import { signal, useSignal } from "@preact/signals";
import { addAdmin, type App, changeApp, type ChangeResult, DIRECTORIES, EDITIONS, removeAdmin, retireKey, rotateKey, USER_ACCESS } from "../api/admin.ts";
import type { JsonObject } from "../json.ts";
import { Choice, Input } from "../parts/inputs.tsx";
import { announcement, Button, ProblemNotice, Text } from "../parts/parts.tsx";
import { EndApp } from "./end_app.tsx";
import { showKey } from "./new_key.tsx";
import { Webhooks } from "./webhooks.tsx";

/** Input that is not saved yet, by app. It survives a change of the view. */
const typedLimits = signal<Readonly<Record<number, Record<string, string>>>>({});
const typedAdmin = signal<Readonly<Record<number, string>>>({});
const typedOrigin = signal<Readonly<Record<number, string>>>({});

export function AppPanel({ app }: { app: App }) {
  const problem = useSignal<string | null>(null);
  const run = async (change: Promise<ChangeResult>) => {
    const result = await change;
    problem.value = result.ok ? null : result.problem;
    announcement.value = result.ok ? "Saved" : `Not saved: ${result.problem}`;
    showKey(result);
    return result.ok;
  };
  const set = (body: JsonObject) => run(changeApp(app.sdkAppId, body));
  return (
    <section class="panel app-panel" aria-labelledby="app-title">
      <header class="panel-head">
        <h2 id="app-title">{app.sdkAppId}</h2>
        <span class={app.disabled ? "pill bad" : "pill good"}>{app.disabled ? "disabled" : "enabled"}</span>
        <Button kind={app.disabled ? "plain" : "danger"} onClick={() => void set({ disabled: !app.disabled })}>
          {app.disabled ? "Enable" : "Disable"}
        </Button>
      </header>
      <ProblemNotice text={problem.value} />
      <div class="app-settings">
        <Choice label="Edition" value={app.edition} options={EDITIONS} onChoose={(edition) => void set({ edition })} />
        <Choice label="Directory" value={app.directory} options={Object.keys(DIRECTORIES)} titles={DIRECTORIES} onChoose={(directory) => void set({ directory })} />
        <Choice label="User access" value={app.userAccess} options={Object.keys(USER_ACCESS)} titles={USER_ACCESS} onChoose={(access) => void set({ user_access: access })} />
      </div>
      <Admins app={app} run={run} />
      <Origins app={app} save={(origins) => set({ allowed_origins: origins })} />
      <Keys app={app} run={run} />
      <Webhooks app={app} />
      <Limits app={app} save={(limits) => set({ limits })} />
      <EndApp app={app} />
    </section>
  );
}

interface Changeable {
  app: App;
  run: (change: Promise<ChangeResult>) => Promise<boolean>;
}

function Keys({ app, run }: Changeable) {
  const isRotating = useSignal(false);
  const older = app.keys[1];
  return (
    <section class="group">
      <h3>Secret keys</h3>
      <p class="hint">
        {older ? "2 keys are valid." : "One key is valid."} After a rotation the old key stays valid, so that clients have
        time to switch.
      </p>
      <ul class="keys">
        {app.keys.map((key) => (
          <li key={key.id}>
            <span>
              Key {key.id}: created {day(key.createdAt)}, {key.lastUsedAt === null ? "never used" : `last used ${minute(key.lastUsedAt)}`}
            </span>
            {older && (
              <Button kind="danger" onClick={() => void run(retireKey(app.sdkAppId, key.id))}>
                Retire key {key.id}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {isRotating.value ? (
        <div class="confirm" role="group" aria-label="Rotate the key?">
          <span>{older ? `Create a new key? Key ${older.id} ends at once.` : "Create a new key?"}</span>
          <Button
            kind="danger"
            onClick={() => {
              isRotating.value = false;
              void run(rotateKey(app.sdkAppId, older !== undefined));
            }}
          >
            Create key
          </Button>
          <Button kind="quiet" onClick={() => (isRotating.value = false)}>
            Cancel
          </Button>
        </div>
      ) : (
        <div class="confirm">
          <Button icon="key" onClick={() => (isRotating.value = true)}>
            Rotate key
          </Button>
        </div>
      )}
    </section>
  );
}

/** A day in UTC, for example 2026-11-29. */
function day(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(0, 10);
}

/** A minute in UTC, for example 2026-11-29 07:05 UTC. */
function minute(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function Admins({ app, run }: Changeable) {
  return (
    <Names
      title="Admins"
      label="New admin"
      empty="Without an admin, no client can call the API of this app."
      names={app.admins}
      typed={typedAdmin.value[app.sdkAppId] ?? ""}
      onType={(text) => (typedAdmin.value = { ...typedAdmin.value, [app.sdkAppId]: text })}
      add={(name) => run(addAdmin(app.sdkAppId, name))}
      remove={(name) => run(removeAdmin(app.sdkAppId, name))}
    />
  );
}

function Origins({ app, save }: { app: App; save: (origins: string[]) => Promise<boolean> }) {
  return (
    <Names
      title="Allowed origins"
      label="New origin"
      placeholder="https://chat.example.com"
      empty="No web site's pages may call the native API."
      names={app.allowedOrigins}
      typed={typedOrigin.value[app.sdkAppId] ?? ""}
      onType={(text) => (typedOrigin.value = { ...typedOrigin.value, [app.sdkAppId]: text })}
      add={(origin) => save([...app.allowedOrigins, origin])}
      remove={(origin) => save(app.allowedOrigins.filter((other) => other !== origin))}
    />
  );
}

interface NamesProps {
  title: string;
  /** Of the input. */
  label: string;
  placeholder?: string;
  /** Shown if there are none. */
  empty: string;
  names: string[];
  typed: string;
  onType: (text: string) => void;
  add: (name: string) => Promise<boolean>;
  remove: (name: string) => Promise<boolean>;
}

function Names({ title, label, placeholder, empty, names, typed, onType, add, remove }: NamesProps) {
  const submit = async (event: Event) => {
    event.preventDefault();
    if (typed && (await add(typed))) onType("");
  };
  return (
    <section class="group">
      <h3>{title}</h3>
      <ul class="tags">
        {names.map((name) => (
          <li key={name} class="tag">
            <Text>{name}</Text>
            <Button kind="quiet" icon="close" label={`Remove ${name}`} onClick={() => void remove(name)} />
          </li>
        ))}
        {names.length === 0 && <li class="measure">{empty}</li>}
      </ul>
      <form class="joined-form" onSubmit={(event) => void submit(event)}>
        <Input label={label} value={typed} onInput={onType} {...(placeholder && { placeholder })} />
        <Button type="submit">Add</Button>
      </form>
    </section>
  );
}

function Limits({ app, save }: { app: App; save: (limits: JsonObject) => Promise<boolean> }) {
  const typed = typedLimits.value[app.sdkAppId] ?? {};
  const type = (texts: Record<string, string>) => (typedLimits.value = { ...typedLimits.value, [app.sdkAppId]: texts });
  const changed = Object.entries(typed).filter(([name, value]) => value !== String(app.limits[name]));
  const submit = async (event: Event) => {
    event.preventDefault();
    const limits = changed.map(([name, value]) => [name, /^\d{1,15}$/.test(value) ? Number(value) : value] as const);
    if (await save(Object.fromEntries(limits))) type({});
  };
  return (
    <section class="group">
      <h3>Limits</h3>
      <form onSubmit={(event) => void submit(event)}>
        <div class="limit-grid">
          {Object.entries(app.limits).map(([name, value]) => (
            <Input
              key={name}
              numeric
              label={name.replaceAll("-", " ")}
              value={typed[name] ?? String(value)}
              onInput={(text) => type({ ...typed, [name]: text })}
            />
          ))}
        </div>
        <Button kind="primary" type="submit" disabled={changed.length === 0}>
          {changed.length === 0 ? "Save limits" : `Save ${changed.length} limit${changed.length === 1 ? "" : "s"}`}
        </Button>
      </form>
    </section>
  );
}
