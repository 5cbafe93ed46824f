// The look-up of a user's conversations.

import { useEffect } from "preact/hooks";
import { explain } from "../api/document.ts";
import { isSigningIn, session } from "../api/session.ts";
import { Input } from "../parts/inputs.tsx";
import { Button, Notice, Text, Ticked } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { EraseUser } from "./erase_user.tsx";
import { FindUsers, RecentUsers } from "./find_users.tsx";
import { failure, found, isLoading, leave, load, typed, user } from "./lookup.ts";
import { LookupGroups } from "./lookup_groups.tsx";
import { LookupTable } from "./lookup_table.tsx";
import { Usage } from "./usage.tsx";

export function UsersView() {
  const linked = route.value.subject;
  const caller = session.value;
  useEffect(() => {
    document.title = "Look up a user – earmark";
  }, []);
  useEffect(() => {
    if (!linked) return;
    typed.value = linked;
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
        <p class="lead">What the service stores about a user's conversations: marks, contact groups and pins.</p>
      </header>
      <form class="lookup-form" onSubmit={look}>
        <Input label="UserID" value={typed.value} placeholder="user0" onInput={(value) => (typed.value = value)} />
        <Button kind="primary" icon="search" type="submit" disabled={isLoading.value}>
          {isLoading.value ? "Loading…" : "Look up"}
        </Button>
      </form>
      {caller && <RecentUsers app={caller.sdkAppId} current={linked} />}
      {caller && (!linked || typed.value !== linked) && <FindUsers prefix={typed.value} />}
      {!caller && linked && (
        <Notice kind="info">
          <p>Sign in to look up a user.</p>
        </Notice>
      )}
      {failure.value && <LoadFailure />}
      {caller && linked && (
        <p>
          <a href={link("calls", "refused", { app: String(caller.sdkAppId), user: linked })}>
            Refused requests of <Text>{linked}</Text>
          </a>
        </p>
      )}
      {found.value && user.value && (
        <>
          <Usage />
          <LookupTable />
          <LookupGroups />
        </>
      )}
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
