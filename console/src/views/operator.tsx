// Asks for the operator token, or says why the admin API does not answer.

import { useSignal } from "@preact/signals";
import { operatorToken } from "../api/admin.ts";
import { Input } from "../parts/inputs.tsx";
import { Button, Notice, Text } from "../parts/parts.tsx";

interface Props {
  status: number;
  problem: string;
  /** Asks the admin API again. */
  retry: () => void;
}

export function OperatorProblem({ status, problem, retry }: Props) {
  const token = useSignal("");
  // The token may not do this: another one may.
  const lacksScope = status === 403 && problem.includes("a token with the scope");
  const needsToken = status === 401 || lacksScope;
  // The first request has no token, so a 401 is an error only once the user has entered one.
  const kind = needsToken && !operatorToken.value ? "info" : "bad";
  const submit = (event: Event) => {
    event.preventDefault();
    operatorToken.value = token.value;
    retry();
  };
  return (
    <>
      <Notice key={kind} kind={kind}>
        <p>
          <Text>{problem}</Text>
        </p>
        {lacksScope && <p>Enter another token, or ask for one: <code>earmark token create NAME --scope …</code></p>}
      </Notice>
      {needsToken ? (
        <form class="panel token-form" onSubmit={submit}>
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
        <Button icon="refresh" onClick={retry}>
          Try again
        </Button>
      )}
    </>
  );
}
