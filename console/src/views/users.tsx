// The look-up of a user's conversations, which a click changes.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { appLimits, DEFAULT_LIMITS, type LimitName, loadApps, operatorToken } from "../api/admin.ts";
import { usage, type Conversation } from "../api/conversations.ts";
import { explain } from "../api/document.ts";
import { hasDemoApp, isSigningIn, session } from "../api/session.ts";
import { bitName } from "../form/bits.tsx";
import { Input } from "../parts/inputs.tsx";
import { Ago, Button, Notice, Text, Ticked } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { Row } from "./conversation.tsx";
import { EraseUser } from "./erase_user.tsx";
import { contactGroupNames, failure, found, isLive, isLoading, leave, load, readAt, typed, user } from "./lookup.ts";

/** Rows on one page. */
const PAGE = 25;

type Order = "changed" | "first" | "name";
const filter = signal("");
const only = signal("all");
const order = signal<Order>("changed");
const page = signal(0);

export function UsersView() {
  const linked = route.value.subject;
  const caller = session.value;
  useEffect(() => {
    document.title = "Look up a user – earmark";
    // Loads the app's own limits, if the console may read them.
    if (hasDemoApp.value || operatorToken.value) void loadApps();
  }, []);
  useEffect(() => {
    if (!linked) return;
    typed.value = linked;
    page.value = 0;
    void load(linked);
    return leave;
  }, [linked, caller]);
  const look = (event: Event) => {
    event.preventDefault();
    const name = typed.value;
    if (!session.value) isSigningIn.value = true;
    else if (!name) return;
    else if (name === route.value.subject) void load(name);
    else go("users", name);
  };
  return (
    <article class="users" aria-labelledby="users-title">
      <header class="view-head">
        <h1 id="users-title">Look up a user</h1>
        <p class="lead">The conversations that the service stores for a user, with marks, contact groups and pins. Click to change them.</p>
      </header>
      <form class="lookup-form" onSubmit={look}>
        <Input label="UserID" value={typed.value} placeholder="user0" onInput={(value) => (typed.value = value)} />
        <Button kind="primary" icon="search" type="submit" disabled={isLoading.value}>
          {isLoading.value ? "Loading…" : "Look up"}
        </Button>
      </form>
      {!caller && linked && (
        <Notice kind="info">
          <p>Sign in to look up a user.</p>
        </Notice>
      )}
      {failure.value && <LoadFailure />}
      {found.value && user.value && <UserPanel />}
      {user.value && user.value === linked && <EraseUser key={user.value} user={user.value} />}
    </article>
  );
}

function LoadFailure() {
  const { code, info } = failure.value!;
  const known = code === null ? undefined : explain(code, "recentcontact");
  return (
    <Notice kind="bad">
      <p>
        {code !== null && <strong>{code} </strong>}
        <Text>{info}</Text>
      </p>
      {known?.remedy && (
        <p>
          <Ticked text={known.remedy} />
        </p>
      )}
      <Button icon="refresh" onClick={() => void load(user.value)}>
        Try again
      </Button>
    </Notice>
  );
}

function UserPanel() {
  const { conversations } = found.value!;
  const shown = sorted(conversations.filter(matches), order.value);
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const at = Math.min(page.value, pages - 1);
  const last = conversations.reduce<Conversation | null>(
    (newest, one) => (one.changedAt > (newest?.changedAt ?? 0) ? one : newest),
    null,
  );
  return (
    <>
      <Usage />
      <section class="panel" aria-labelledby="conversations-title">
        <header class="panel-head wrap">
          <h2 id="conversations-title">
            {conversations.length} conversation{conversations.length === 1 ? "" : "s"}
          </h2>
          {last && (
            <p class="measure last-change">
              Last changed: <Text>{last.id}</Text>, <Ago at={last.changedAt} now={Math.max(readAt.value, last.changedAt)} />
            </p>
          )}
          <p class={isLive.value ? "measure live" : "measure"} title={isLive.value ? "Changes show up at once" : "Not connected to the service"}>
            {isLive.value ? "live" : "not live"}
          </p>
          <Button kind="quiet" icon="refresh" label="Reload" disabled={isLoading.value} onClick={() => void load(user.value)} />
        </header>
        <Filters />
        {shown.length === 0 ? (
          <p class="empty">
            {conversations.length > 0 ? (
              "No conversation matches the filter."
            ) : (
              <>
                The service stores nothing for this user. <a href={link("try", "mark_contact")}>Mark a conversation</a>
              </>
            )}
          </p>
        ) : (
          <ul class="conversations" aria-label="Conversations">
            {shown.slice(at * PAGE, (at + 1) * PAGE).map((one) => (
              <Row key={`${one.type} ${one.id}`} conversation={one} />
            ))}
          </ul>
        )}
        {pages > 1 && (
          <nav class="pager" aria-label="Pages">
            <Button disabled={at === 0} onClick={() => (page.value = at - 1)}>
              Previous
            </Button>
            <span>
              Page {at + 1} of {pages}
            </span>
            <Button disabled={at === pages - 1} onClick={() => (page.value = at + 1)}>
              Next
            </Button>
          </nav>
        )}
      </section>
    </>
  );
}

function Filters() {
  const change = <T,>(to: { value: T }, value: T) => {
    to.value = value;
    page.value = 0;
  };
  return (
    <div class="filters">
      <Input type="search" label="Filter" placeholder="name, mark or contact group" value={filter.value} onInput={(value) => change(filter, value)} />
      <div class="field">
        <label for="only">Show</label>
        <select id="only" onChange={(event) => change(only, event.currentTarget.value)}>
          {Object.entries(ONLY).map(([id, { title }]) => (
            <option key={id} value={id} selected={id === only.value}>
              {title}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="order">Order</label>
        <select id="order" onChange={(event) => change(order, event.currentTarget.value as Order)}>
          <option value="changed">last changed first</option>
          <option value="first">first marked first</option>
          <option value="name">by name</option>
        </select>
      </div>
    </div>
  );
}

const ONLY: Record<string, { title: string; is: (one: Conversation) => boolean }> = {
  all: { title: "all", is: () => true },
  marked: { title: "marked", is: (one) => one.bits.length > 0 || one.custom !== "" },
  grouped: { title: "in a contact group", is: (one) => one.contactGroups.length > 0 },
  pinned: { title: "pinned", is: (one) => one.pinned },
  users: { title: "with users", is: (one) => one.type === 1 },
  chats: { title: "chat groups", is: (one) => one.type === 2 },
};

function matches(one: Conversation): boolean {
  if (!ONLY[only.value]!.is(one)) return false;
  const words = [one.id, one.custom, ...one.bits.map((bit) => bitName(bit)), ...one.contactGroups.map((id) => contactGroupNames.value.get(id) ?? "")];
  return words.join("\n").toLowerCase().includes(filter.value.toLowerCase());
}

function sorted(list: Conversation[], by: Order): Conversation[] {
  if (by === "changed") return [...list].sort((a, b) => b.changedAt - a.changedAt);
  return by === "name" ? [...list].sort((a, b) => (a.id < b.id ? -1 : 1)) : list;
}

const LIMITS: readonly { name: LimitName & keyof ReturnType<typeof usage>; title: string }[] = [
  { name: "marked", title: "Marked" },
  { name: "grouped", title: "In contact groups" },
  { name: "groups", title: "Contact groups" },
  { name: "pinned", title: "Pinned" },
];

function Usage() {
  const caller = session.value;
  const own = caller && appLimits.value.get(caller.sdkAppId);
  const used = usage(found.value!);
  return (
    <section class="caps" aria-label={own ? "Usage of the app's limits" : "Usage of the default limits"}>
      {LIMITS.map(({ name, title }) => {
        const max = (own ?? DEFAULT_LIMITS)[name] ?? 0;
        const part = max > 0 ? Math.min(1, used[name] / max) : 1;
        return (
          <div key={name} class={part >= 0.9 ? "cap near" : "cap"}>
            <span class="cap-title">{title}</span>
            <span class="cap-count">
              <strong>{used[name]}</strong> of {max.toLocaleString("en")}
            </span>
            <div class="bar" role="meter" aria-label={title} aria-valuemin={0} aria-valuemax={max} aria-valuenow={Math.min(used[name], max)}>
              <div style={{ width: `${Math.max(part * 100, used[name] > 0 ? 1.5 : 0)}%` }} />
            </div>
          </div>
        );
      })}
      {!own && <p class="hint">These are the default limits. The limits of this app may differ.</p>}
    </section>
  );
}
