// The secret keys of an app. What ends a key asks for the app's number.

import { useSignal } from "@preact/signals";
import { type App, type ChangeResult, type Key, retireKey, rotateKey } from "../api/admin.ts";
import { TypedConfirmation } from "../parts/confirm.tsx";
import { Button, ProblemNotice } from "../parts/parts.tsx";
import { showKey } from "./new_key.tsx";

export function Keys({ app }: { app: App }) {
  const ending = useSignal<{ key: Key; isRotation: boolean } | null>(null);
  const problem = useSignal<string | null>(null);
  const older = app.keys[1];
  const run = async (change: Promise<ChangeResult>): Promise<string | null> => {
    const result = await change;
    showKey(result);
    return result.ok ? null : result.problem;
  };
  const rotate = async () => {
    if (older) ending.value = { key: older, isRotation: true };
    else problem.value = await run(rotateKey(app.sdkAppId, false));
  };
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
              <Button kind="danger" onClick={() => (ending.value = { key, isRotation: false })}>
                Retire key {key.id}
              </Button>
            )}
          </li>
        ))}
      </ul>
      <ProblemNotice text={problem.value} />
      <Button icon="key" onClick={() => void rotate()}>
        Rotate key
      </Button>
      {ending.value && (
        <EndKey
          app={app}
          keyToEnd={ending.value.key}
          isRotation={ending.value.isRotation}
          run={(change) => run(change)}
          onClose={() => (ending.value = null)}
        />
      )}
    </section>
  );
}

interface EndKeyProps {
  app: App;
  keyToEnd: Key;
  /** A rotation makes a new key in its place. */
  isRotation: boolean;
  run: (change: Promise<ChangeResult>) => Promise<string | null>;
  onClose: () => void;
}

function EndKey({ app, keyToEnd, isRotation, run, onClose }: EndKeyProps) {
  const { id, lastUsedAt } = keyToEnd;
  const end = () => run(isRotation ? rotateKey(app.sdkAppId, true) : retireKey(app.sdkAppId, id));
  return (
    <TypedConfirmation
      title={isRotation ? `Create a key, and end key ${id}?` : `Retire key ${id}?`}
      label="SDKAppID"
      action={isRotation ? "Create key" : "Retire"}
      expected={String(app.sdkAppId)}
      run={end}
      onClose={onClose}
    >
      <p>
        Key {id} ends at once: UserSigs that were signed with it are refused. It was{" "}
        {lastUsedAt === null ? "never used" : `last used ${minute(lastUsedAt)}`}. Type the number of the app.
      </p>
    </TypedConfirmation>
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
