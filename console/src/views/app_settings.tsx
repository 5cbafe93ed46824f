// The settings of an app as inputs. They change the draft only; the save bar stores it.

import { signal } from "@preact/signals";
import { limitRange } from "../api/document.ts";
import { counted, UNITS } from "../limits.ts";
import { type App, DIRECTORIES, EDITIONS, USER_ACCESS } from "../api/admin.ts";
import { Choice, Input } from "../parts/inputs.tsx";
import { Button, Text } from "../parts/parts.tsx";
import { draftOf, edit, problemOf, problemsOf } from "./app_saving.ts";

/** What is wrong with a field of the draft: what the page sees by itself, or the service's words. */
function wrong(app: App, field: string): string | null {
  const problem = problemOf(app);
  return problemsOf(app)[field] ?? (problem?.field === field ? problem.problem : null);
}

/** The item of a list that the service does not take. */
function wrongItem(app: App, field: string): number | null {
  const index = problemOf(app)?.field?.match(/^(\w+)\[(\d+)\]$/);
  return index?.[1] === field ? Number(index[2]) : null;
}

export function Settings({ app }: { app: App }) {
  const draft = draftOf(app);
  return (
    <div class="app-settings">
      <Input label="Name" value={draft.name ?? app.name} onInput={(name) => edit(app, { name })} wrong={wrong(app, "name")} hint="Only operators see it." />
      <Choice
        label="Edition"
        value={draft.edition ?? app.edition}
        options={EDITIONS}
        onChoose={(edition) => edit(app, { edition })}
        wrong={wrong(app, "edition")}
      />
      <Choice
        label="Directory"
        value={draft.directory ?? app.directory}
        options={Object.keys(DIRECTORIES)}
        titles={DIRECTORIES}
        onChoose={(directory) => edit(app, { directory })}
        wrong={wrong(app, "directory")}
      />
      <Choice
        label="User access"
        value={draft.userAccess ?? app.userAccess}
        options={Object.keys(USER_ACCESS)}
        titles={USER_ACCESS}
        onChoose={(userAccess) => edit(app, { userAccess })}
        wrong={wrong(app, "user_access")}
      />
    </div>
  );
}

export function Admins({ app }: { app: App }) {
  return (
    <Names
      app={app}
      field="admins"
      title="Admins"
      label="New admin"
      empty="Without an admin, no backend can call the API of this app."
      stored={app.admins}
      names={draftOf(app).admins ?? app.admins}
      onChange={(admins) => edit(app, { admins })}
    />
  );
}

export function Origins({ app }: { app: App }) {
  return (
    <Names
      app={app}
      field="allowed_origins"
      title="Allowed origins"
      label="New origin"
      placeholder="https://chat.example.com"
      empty="No web site's pages may call the native API."
      stored={app.allowedOrigins}
      names={draftOf(app).allowedOrigins ?? app.allowedOrigins}
      onChange={(allowedOrigins) => edit(app, { allowedOrigins })}
    />
  );
}

interface NamesProps {
  app: App;
  field: string;
  title: string;
  /** Of the input. */
  label: string;
  placeholder?: string;
  /** Shown if there are none. */
  empty: string;
  stored: readonly string[];
  names: readonly string[];
  onChange: (names: readonly string[]) => void;
}

/** Names that are not added to the draft yet, by app and field. They survive a change of the view. */
const typed = signal<Readonly<Record<string, string>>>({});

function Names({ app, field, title, label, placeholder, empty, stored, names, onChange }: NamesProps) {
  const place = `${app.sdkAppId} ${field}`;
  const text = typed.value[place] ?? "";
  const type = (value: string) => (typed.value = { ...typed.value, [place]: value });
  const submit = (event: Event) => {
    event.preventDefault();
    const name = text.trim();
    if (!name) return;
    if (!names.includes(name)) onChange([...names, name]);
    type("");
  };
  const shown = [...stored, ...names.filter((name) => !stored.includes(name))];
  const refused = names[wrongItem(app, field) ?? -1];
  return (
    <section class="group">
      <h3>{title}</h3>
      <ul class="tags">
        {shown.map((name) => {
          const isRemoved = !names.includes(name);
          const state = name === refused ? "refused" : isRemoved ? "removed" : stored.includes(name) ? "" : "added";
          return (
            <li key={name} class={`tag ${state}`}>
              <Text>{name}</Text>
              {isRemoved ? (
                <Button kind="quiet" icon="undo" label={`Keep ${name}`} onClick={() => onChange([...names, name])} />
              ) : (
                <Button kind="quiet" icon="close" label={`Remove ${name}`} onClick={() => onChange(names.filter((other) => other !== name))} />
              )}
            </li>
          );
        })}
        {shown.length === 0 && <li class="measure">{empty}</li>}
      </ul>
      <form class="joined-form" onSubmit={submit}>
        <Input
          label={label}
          value={text}
          onInput={type}
          wrong={
            refused === undefined ? (
              wrong(app, field)
            ) : (
              <>
                <Text>{refused}</Text>: {problemOf(app)!.problem}
              </>
            )
          }
          {...(placeholder && { placeholder })}
        />
        <Button type="submit">Add</Button>
      </form>
    </section>
  );
}

export function Limits({ app }: { app: App }) {
  const limits = draftOf(app).limits ?? {};
  const hint = (name: string) => {
    const range = limitRange(name);
    return [UNITS[name], range && `usually ${counted(range.usual)}`].filter(Boolean).join(" · ");
  };
  return (
    <section class="group" aria-labelledby="limits-title">
      <h3 id="limits-title">Limits</h3>
      <p class="hint">A lower limit removes nothing: a user above it keeps everything, and can add no more.</p>
      <div class="limit-grid">
        {Object.entries(app.limits).map(([name, value]) => (
          <Input
            key={name}
            numeric
            label={name.replaceAll("-", " ")}
            hint={hint(name)}
            value={limits[name] ?? String(value)}
            onInput={(text) => edit(app, { limits: { ...limits, [name]: text } })}
            wrong={wrong(app, `limits.${name}`)}
          />
        ))}
      </div>
    </section>
  );
}
