// Asks for a text to be typed before something is destroyed.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Dialog, Input } from "./inputs.tsx";
import { Button, ProblemNotice } from "./parts.tsx";

interface TypedConfirmationProps {
  title: string;
  /** What the user must type. */
  expected: string;
  /** The label of the input. */
  label: string;
  /** The label of the button. */
  action: string;
  /** Returns what went wrong, or null. */
  run: () => Promise<string | null>;
  onClose: () => void;
  children: ComponentChildren;
}

export function TypedConfirmation({ title, expected, label, action, run, onClose, children }: TypedConfirmationProps) {
  const typed = useSignal("");
  const isRunning = useSignal(false);
  const problem = useSignal<string | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (typed.value !== expected || isRunning.value) return;
    isRunning.value = true;
    problem.value = await run();
    isRunning.value = false;
    if (problem.value === null) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        {children}
        <Input label={label} required value={typed.value} onInput={(text) => (typed.value = text)} />
        <ProblemNotice text={problem.value} />
        <Button kind="danger" type="submit" disabled={typed.value !== expected || isRunning.value}>
          {isRunning.value ? "Working…" : action}
        </Button>
      </form>
    </Dialog>
  );
}
