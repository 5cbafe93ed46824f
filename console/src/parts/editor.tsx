// A text field for JSON: a transparent textarea over a copy of its text in colours.

import type { Signal } from "@preact/signals";
import { useId, useRef } from "preact/hooks";
import { Coloured, Text } from "./parts.tsx";

interface EditorProps {
  label: string;
  text: Signal<string>;
  /** Why the text is not JSON. */
  problem: string | null;
  onSubmit: () => void;
}

export function Editor({ label, text, problem, onSubmit }: EditorProps) {
  const id = useId();
  const behind = useRef<HTMLPreElement>(null);
  const value = text.value;
  return (
    <div class={problem ? "editor wrong" : "editor"}>
      <div class="editor-text">
        <pre ref={behind} aria-hidden="true">
          <Coloured text={value} />
          {"\n"}
        </pre>
        <textarea
          aria-label={label}
          aria-describedby={`${id}-hint`}
          aria-invalid={problem !== null}
          value={value}
          rows={Math.min(Math.max(value.split("\n").length, 6), 24)}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          wrap="off"
          onInput={(event) => (text.value = event.currentTarget.value)}
          onScroll={({ currentTarget }) => {
            behind.current!.scrollTop = currentTarget.scrollTop;
            behind.current!.scrollLeft = currentTarget.scrollLeft;
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              onSubmit();
            }
          }}
        />
      </div>
      <p class={problem ? "hint problem" : "hint"} id={`${id}-hint`}>
        {problem ? (
          <>
            Not JSON: <Text>{problem}</Text> The console sends it unchanged.
          </>
        ) : (
          <>
            The console sends this text unchanged. <kbd>Ctrl</kbd> <kbd>Enter</kbd> sends it.
          </>
        )}
      </p>
    </div>
  );
}
