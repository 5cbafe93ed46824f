// The bits of a standard mark as toggles: first the named bits, below them all 64.

import { resolve, type Schema } from "../api/document.ts";
import type { Json, Path } from "../json.ts";
import { BITS } from "../marks.ts";
import { useField } from "./form.tsx";

/** The names of bits, for schemas that do not name them. */
const NAMES: Record<string, string> = { 0: "favorite", 1: "unread", 2: "collapsed", 3: "hidden" };

export function isBits(name: string, schema: Schema): boolean {
  return bitNames(schema) !== undefined || name === "SetMark" || name === "ClearMark";
}

export function bitNames(schema: Schema): Record<string, string> | undefined {
  return schema["x-bits"] ?? (schema.items ? resolve(schema.items)["x-bits"] : undefined);
}

export function bitName(bit: number, names: Record<string, string> = NAMES): string {
  return names[bit] ?? `bit ${bit}`;
}

interface BitsProps {
  name: string;
  schema: Schema;
  path: Path;
  /** Index of the bit that the service refused. */
  wrongAt: number | null;
}

export function Bits({ name, schema, path, wrongAt }: BitsProps) {
  const { value, change } = useField(path);
  const list: Json[] = Array.isArray(value) ? value : [];
  const names = bitNames(schema) ?? NAMES;
  const named = Object.keys(names).map(Number).filter(Number.isInteger);
  const others = list.filter((bit) => !named.includes(bit as number));
  const toggle = (bit: Json) => change(list.includes(bit) ? list.filter((other) => other !== bit) : [...list, bit]);
  return (
    <div class="bits">
      <div class="chips">
        {named.map((bit) => (
          <BitToggle key={bit} bit={bit} label={bitName(bit, names)} on={list.includes(bit)} onToggle={() => toggle(bit)} />
        ))}
        {others.map((bit, at) => (
          <button key={`other-${at}`} type="button" class={list.indexOf(bit) === wrongAt ? "chip on bad" : "chip on"} aria-pressed="true" onClick={() => toggle(bit)}>
            {typeof bit === "number" ? `bit ${bit}` : JSON.stringify(bit)}
          </button>
        ))}
      </div>
      <details>
        <summary>All {BITS} bits</summary>
        <BitGrid label={name} names={names} isOn={(bit) => list.includes(bit)} onToggle={toggle} />
      </details>
    </div>
  );
}

interface BitToggleProps {
  bit: number;
  label: string;
  on: boolean;
  onToggle: () => void;
}

export function BitToggle({ bit, label, on, onToggle }: BitToggleProps) {
  return (
    <button type="button" class={`chip${on ? " on" : ""} bit-${bit}`} aria-pressed={on} onClick={onToggle}>
      {label}
    </button>
  );
}

interface BitGridProps {
  label: string;
  names?: Record<string, string>;
  isOn: (bit: number) => boolean;
  onToggle: (bit: number) => void;
}

export function BitGrid({ label, names = NAMES, isOn, onToggle }: BitGridProps) {
  return (
    <div class="bit-grid" role="group" aria-label={`${label}, all bits`}>
      {Array.from({ length: BITS }, (_, bit) => (
        <button
          key={bit}
          type="button"
          class={isOn(bit) ? "on" : undefined}
          aria-pressed={isOn(bit)}
          aria-label={names[bit] ? `${bit}, ${names[bit]}` : String(bit)}
          title={names[bit] ?? (bit < 32 ? "reserved by Tencent Cloud Chat" : "free for your own use")}
          onClick={() => onToggle(bit)}
        >
          {bit}
        </button>
      ))}
    </div>
  );
}
