// Small things that every view is made of.

import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { pieces } from "../json.ts";
import { Icon, type IconName } from "./icons.tsx";

/** Text from elsewhere: shown as text, and kept from turning its surroundings round. */
export function Text({ children }: { children: string }) {
  return <bdi class="foreign">{children}</bdi>;
}

/** What a screen reader says next. */
export const announcement = signal("");

export function Announcer() {
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {announcement}
    </p>
  );
}

interface ButtonProps {
  icon?: IconName;
  kind?: "primary" | "plain" | "danger" | "quiet";
  type?: "button" | "submit";
  label?: string;
  disabled?: boolean;
  onClick?: () => void;
  children?: ComponentChildren;
}

export function Button({ icon, kind = "plain", type = "button", label, disabled, onClick, children }: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}${children ? "" : " icon-only"}`}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** Puts a text on the clipboard, and says so. */
export function CopyButton({ text, what }: { text: () => string; what: string }) {
  const done = useSignal(false);
  const copy = async () => {
    done.value = await copied(text());
    announcement.value = done.value ? `Copied ${what}` : `The browser did not let ${what} be copied`;
  };
  return (
    <Button kind="quiet" icon={done.value ? "check" : "copy"} label={`Copy ${what}`} onClick={copy}>
      {done.value ? "Copied" : "Copy"}
    </Button>
  );
}

async function copied(text: string): Promise<boolean> {
  try {
    // Not there over plain http on another host than this one.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON with its pieces coloured. */
export function Coloured({ text }: { text: string }) {
  return (
    <>
      {pieces(text).map(({ text, kind }) => (kind === "plain" ? text : <span class={`json-${kind}`}>{text}</span>))}
    </>
  );
}

export function Notice({ kind, children }: { kind: "bad" | "good" | "info" | "warning"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : undefined}>
      <Icon name={kind === "good" ? "check" : "warning"} />
      <div>{children}</div>
    </div>
  );
}

/** A time as people say it, with the exact one beside it. */
export function Ago({ at, now }: { at: number; now: number }) {
  const date = new Date(at * 1000);
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {ago(now - at)}
    </time>
  );
}

/** Seconds in words. */
export function ago(seconds: number): string {
  const units: [number, string][] = [[86_400, "day"], [3_600, "hour"], [60, "minute"]];
  for (const [length, name] of units) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

/** Text in which `code` stands between backticks. */
export function Ticked({ text }: { text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>;
}
