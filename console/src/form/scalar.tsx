// A field with one value: a text, a number or a choice.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Schema } from "../api/document.ts";
import type { Json, Path } from "../json.ts";
import { bytes } from "../marks.ts";
import { About, useField } from "./form.tsx";
import { choicesOf, kindOf, span } from "./initial.ts";

interface ScalarProps {
  name: string;
  schema: Schema;
  path: Path;
  after?: ComponentChildren;
}

export function Scalar({ name, schema, path, after }: ScalarProps) {
  const { value, change, wrong } = useField(path);
  const id = useId();
  const choices = choicesOf(schema);
  const isNumber = ["integer", "number"].includes(kindOf(schema));
  return (
    <div class={wrong ? "field wrong" : "field"}>
      <div class="field-head">
        <label for={id} class="name">
          {name}
        </label>
        {kindOf(schema) === "string" && choices.length === 0 && typeof value === "string" && (
          <Length value={value} schema={schema} />
        )}
        {isNumber && choices.length === 0 && <Range value={value} schema={schema} />}
        {after}
      </div>
      {choices.length > 0 ? (
        <select
          id={id}
          aria-describedby={`${id}-about`}
          aria-invalid={wrong !== null}
          onChange={(event) => change(choices[event.currentTarget.selectedIndex - 1]?.value)}
        >
          <option value="" selected={!choices.some((choice) => choice.value === value)}>
            {value === undefined ? "not set" : `other: ${JSON.stringify(value)}`}
          </option>
          {choices.map((choice) => (
            <option key={String(choice.value)} value={String(choice.value)} selected={choice.value === value}>
              {choice.title === String(choice.value) ? choice.title : `${choice.value} – ${choice.title}`}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          class={isNumber ? "number" : undefined}
          value={shown(value)}
          inputMode={isNumber ? "numeric" : undefined}
          dir={isNumber ? undefined : "auto"}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-describedby={`${id}-about`}
          aria-invalid={wrong !== null}
          onInput={(event) => change(isNumber ? number(event.currentTarget.value) : event.currentTarget.value)}
        />
      )}
      <About id={`${id}-about`} schema={schema} wrong={wrong} />
    </div>
  );
}

function shown(value: Json | undefined): string {
  return value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

/** Keeps a text that is not a number, so that the service can refuse it. */
function number(text: string): Json {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Which numbers the service takes. */
function Range({ value, schema: { minimum, maximum } }: { value: Json | undefined; schema: Schema }) {
  const text = span(minimum, maximum);
  if (!text) return null;
  const isOver = value !== undefined && !(typeof value === "number" && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity));
  return <span class={isOver ? "length over" : "length"}>{text}</span>;
}

function Length({ value, schema }: { value: string; schema: Schema }) {
  const length = bytes(value);
  const max = schema["x-maxBytes"] ?? schema.maxLength;
  return <span class={max !== undefined && length > max ? "length over" : "length"}>{max ? `${length} / ${max} bytes` : `${length} bytes`}</span>;
}
