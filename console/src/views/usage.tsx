// How much of each limit the user has used.

import { usage } from "../api/conversations.ts";
import { found, limits } from "./lookup.ts";

const TITLES = { marked: "Marked", grouped: "In contact groups", groups: "Contact groups", pinned: "Pinned" } as const;

export function Usage() {
  const used = usage(found.value!);
  return (
    <section class="caps" aria-label="Usage of the limits">
      {(Object.keys(TITLES) as (keyof typeof TITLES)[]).map((name) => (
        <Cap key={name} title={TITLES[name]} used={used[name]} max={limits.value?.[name] ?? null} />
      ))}
    </section>
  );
}

/** Without a maximum, only how much is used. */
function Cap({ title, used, max }: { title: string; used: number; max: number | null }) {
  const part = max === null ? 0 : max > 0 ? Math.min(1, used / max) : 1;
  return (
    <div class={part >= 0.9 ? "cap near" : "cap"}>
      <span class="cap-title">{title}</span>
      <span class="cap-count">
        <strong>{used.toLocaleString("en")}</strong> {max !== null && `of ${max.toLocaleString("en")}`}
      </span>
      {max !== null && (
        <div class="bar" role="meter" aria-label={title} aria-valuemin={0} aria-valuemax={max} aria-valuenow={Math.min(used, max)}>
          <div style={{ width: `${Math.max(part * 100, used > 0 ? 1.5 : 0)}%` }} />
        </div>
      )}
    </div>
  );
}
