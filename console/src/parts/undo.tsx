// What the last change was, with a button that takes it back.

import { signal } from "@preact/signals";
import { announcement, Button, isOver, Text } from "./parts.tsx";

interface Done {
  /** For people: "Saved 3 changes of app 1400000001". */
  text: string;
  /** Returns what went wrong, or null. */
  undo: () => Promise<string | null>;
}

const last = signal<Done | null>(null);
const isUndoing = signal(false);
const problem = signal<string | null>(null);

/** Shows what was done until it is undone, dismissed, or replaced by the next change. */
export function offerUndo(text: string, undo: () => Promise<string | null>): void {
  last.value = { text, undo };
  problem.value = null;
  announcement.value = `${text}. Undo is at the end of the page`;
}

export function forgetUndo(): void {
  last.value = null;
}

export function UndoBar() {
  const done = last.value;
  if (!done) return null;
  const undo = async () => {
    isUndoing.value = true;
    const failed = await done.undo();
    isUndoing.value = false;
    announcement.value = failed ?? "Undone";
    if (last.value !== done) return;
    problem.value = failed;
    if (!failed) forgetUndo();
  };
  return (
    <div class="undo-bar" role="group" aria-label="Last change">
      <p>
        <Text>{problem.value && !isOver(problem.value) ? problem.value : done.text}</Text>
      </p>
      <Button disabled={isUndoing.value} onClick={() => void undo()}>
        {isUndoing.value ? "Undoing…" : "Undo"}
      </Button>
      <Button kind="quiet" icon="close" label="Dismiss" onClick={forgetUndo} />
    </div>
  );
}
