// Small components that all views use.

import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { isReachable, NO_ANSWER } from "../api/fetch.ts";
import { isEditing, READ_ONLY } from "../editing.ts";
import { pieces } from "../json.ts";
import { Icon, type IconName } from "./icons.tsx";

/** Text of other people. `bdi` keeps its writing direction from affecting the text around it. */
export function Text({ children }: { children: string }) {
  return <bdi class="foreign">{children}</bdi>;
}

/** The next announcement of a screen reader. */
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
  /** What it has started is under way. Unlike a disabled button it keeps the focus. */
  busy?: boolean;
  onClick?: () => void;
  children?: ComponentChildren;
}

export function Button({ icon, kind = "plain", type = "button", label, disabled, busy, onClick, children }: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}${children ? "" : " icon-only"}`}
      aria-label={label}
      title={label}
      disabled={disabled}
      aria-disabled={busy || undefined}
      onClick={busy ? undefined : onClick}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function CopyButton({ text, what }: { text: () => string; what: string }) {
  const isCopied = useSignal(false);
  const copy = async () => {
    isCopied.value = await writeToClipboard(text());
    announcement.value = isCopied.value ? `Copied ${what}` : `The browser refused to copy ${what}`;
  };
  return (
    <Button kind="quiet" icon={isCopied.value ? "check" : "copy"} label={`Copy ${what}`} onClick={copy}>
      {isCopied.value ? "Copied" : "Copy"}
    </Button>
  );
}

async function writeToClipboard(text: string): Promise<boolean> {
  try {
    // Browsers have no `navigator.clipboard` over plain http, except on localhost.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

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

/** Whether a problem is over by itself: the service answers again. */
export function isOver(problem: string): boolean {
  return problem === NO_ANSWER && isReachable.value;
}

/** What the service answers that is wrong; nothing if it is null, or over. */
export function ProblemNotice({ text }: { text: string | null }) {
  return text && !isOver(text) ? (
    <Notice kind="bad">
      <p>
        <Text>{text}</Text>
      </p>
    </Notice>
  ) : null;
}

/** Why the controls below do nothing; nothing while the page may change data. */
export function ReadOnlyHint() {
  return isEditing.value ? null : <p class="read-only">{READ_ONLY}</p>;
}

/** A time such as "2 days ago", with the exact time as its tooltip. */
export function Ago({ at, now }: { at: number; now: number }) {
  const date = new Date(at * 1000);
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {ago(now - at)}
    </time>
  );
}

export function ago(seconds: number): string {
  const units: [number, string][] = [[86_400, "day"], [3_600, "hour"], [60, "minute"]];
  for (const [length, name] of units) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

/** Shows the parts of a text between backticks as code. */
export function Ticked({ text }: { text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>;
}
