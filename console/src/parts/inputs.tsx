// Text inputs, choices, and the dialog that contains them.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./parts.tsx";

/** A modal dialog. The browser keeps the focus inside, and returns it afterwards. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog ref={element} class="dialog" aria-label={title} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <Button kind="quiet" icon="close" label="Close" onClick={() => element.current?.close()} />
      </header>
      {children}
    </dialog>
  );
}

interface InputProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  /** What is wrong with the value, in place of the hint. The input takes the focus when it appears. */
  wrong?: ComponentChildren;
  type?: "text" | "password" | "search";
  placeholder?: string;
  numeric?: boolean;
  required?: boolean;
  mono?: boolean;
}

export function Input({ label, value, onInput, hint, wrong, type = "text", placeholder, numeric, required, mono }: InputProps) {
  const id = useId();
  const element = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (wrong) element.current?.focus();
  }, [wrong]);
  return (
    <div class={wrong ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      <input
        ref={element}
        id={id}
        class={mono ? "mono" : undefined}
        {...({ type } as { type: "text" })}
        value={value}
        placeholder={placeholder}
        required={required}
        inputMode={numeric ? "numeric" : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        dir="auto"
        aria-describedby={hint || wrong ? `${id}-hint` : undefined}
        aria-invalid={wrong ? true : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {(wrong || hint) && (
        <div class={wrong ? "hint problem" : "hint"} id={`${id}-hint`} role={wrong ? "alert" : undefined}>
          {wrong || hint}
        </div>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: string[];
  titles?: Record<string, string>;
  /** What is wrong with the value. */
  wrong?: string | null;
  onChoose: (value: string) => void;
}

export function Choice({ label, value, options, titles, wrong, onChoose }: ChoiceProps) {
  const id = useId();
  return (
    <div class={wrong ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      <select
        id={id}
        aria-invalid={wrong ? true : undefined}
        aria-describedby={wrong ? `${id}-hint` : undefined}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {options.map((option) => (
          <option key={option} value={option} selected={option === value}>
            {titles?.[option] ? `${option} – ${titles[option]}` : option}
          </option>
        ))}
      </select>
      {wrong && (
        <p class="hint problem" id={`${id}-hint`} role="alert">
          {wrong}
        </p>
      )}
    </div>
  );
}
