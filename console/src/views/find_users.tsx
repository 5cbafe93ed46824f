// Which user to look up: one of those that were looked up last, or one whose id begins as it was typed.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { operatorToken } from "../api/admin.ts";
import { type FetchProblem, recoveries } from "../api/fetch.ts";
import { session } from "../api/session.ts";
import { findUsers } from "../api/users.ts";
import { Button, Text } from "../parts/parts.tsx";
import { recentUsers } from "../recent.ts";
import { link } from "../route.ts";
import { OperatorProblem } from "./operator.tsx";

/** While a text is being typed, it is not looked for at each key. */
const PAUSE_MS = 150;

export function RecentUsers({ app, current }: { app: number; current: string }) {
  const others = recentUsers(app).filter((one) => one !== current);
  if (others.length === 0) return null;
  return (
    <nav class="user-links" aria-label="Users looked up last">
      <span class="measure">Recent</span>
      {others.map((one) => (
        <UserLink key={one} user={one} />
      ))}
    </nav>
  );
}

export function FindUsers({ prefix }: { prefix: string }) {
  const found = useSignal<{ prefix: string; users: string[]; next: string | null } | null>(null);
  const problem = useSignal<FetchProblem | null>(null);
  const isAsking = useSignal(false);
  const app = session.value!.sdkAppId;
  const token = operatorToken.value;
  const find = async (after: string | null, isWanted: () => boolean) => {
    const answer = await findUsers(app, prefix, after);
    if (!isWanted()) return;
    problem.value = answer.ok ? null : answer;
    if (!answer.ok) found.value = null;
    else found.value = { prefix, users: [...(after === null ? [] : (found.value?.users ?? [])), ...answer.users], next: answer.next };
  };
  useEffect(() => {
    if (!operatorToken.value) return;
    let isWanted = true;
    const timer = setTimeout(() => void find(null, () => isWanted), PAUSE_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [app, prefix, recoveries.value]);
  if (!token || problem.value?.status === 401) {
    const { status, problem: text } = problem.value ?? { status: 401, problem: "With the operator token, users are found by how their ids begin." };
    return isAsking.value || problem.value ? (
      <OperatorProblem status={status} problem={text} retry={() => void find(null, () => true)} />
    ) : (
      <p>
        <Button kind="quiet" icon="search" onClick={() => (isAsking.value = true)}>
          Find users by how their ids begin
        </Button>
      </p>
    );
  }
  if (problem.value) return <p class="hint problem"><Text>{problem.value.problem}</Text></p>;
  if (!found.value) return null;
  const { users, next } = found.value;
  return (
    <section class="user-links" aria-label="Users found">
      <span class="measure" role="status">
        {users.length === 0 ? "No user" : `${users.length}${next === null ? "" : "+"} user${users.length === 1 ? "" : "s"}`}
        {found.value.prefix && (
          <>
            {" "}
            with <Text>{`${found.value.prefix}…`}</Text>
          </>
        )}
      </span>
      {users.map((one) => (
        <UserLink key={one} user={one} />
      ))}
      {next !== null && (
        <Button kind="quiet" onClick={() => void find(next, () => found.value?.next === next)}>
          More
        </Button>
      )}
    </section>
  );
}

function UserLink({ user }: { user: string }) {
  return (
    <a class="chip" href={link("users", user)}>
      <Text>{user}</Text>
    </a>
  );
}
