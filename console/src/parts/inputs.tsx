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
  type?: "text" | "password" | "search";
  placeholder?: string;
  numeric?: boolean;
  required?: boolean;
  mono?: boolean;
}

export function Input({ label, value, onInput, hint, type = "text", placeholder, numeric, required, mono }: InputProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
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
        aria-describedby={hint ? `${id}-hint` : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: string[];
  titles?: Record<string, string>;
  onChoose: (value: string) => void;
}

export function Choice({ label, value, options, titles, onChoose }: ChoiceProps) {
  return (
    <div class="field">
      <label>
        <span>{label}</span>
        <select onChange={(event) => onChoose(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option} value={option} selected={option === value}>
              {titles?.[option] ? `${option} – ${titles[option]}` : option}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
