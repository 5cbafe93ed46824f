// The view of all error codes, with meaning, cause and remedy.

import { useEffect, useRef } from "preact/hooks";
import { errorCodes, type ErrorCode } from "../api/document.ts";
import { Input } from "../parts/inputs.tsx";
import { Ticked } from "../parts/parts.tsx";
import { replace, route } from "../route.ts";

export function CodesView() {
  const { subject: linked, params } = route.value;
  // A link to a code shows that code, until the user searches for something else.
  const search = params.search ?? linked;
  useEffect(() => {
    document.title = "Error codes – earmark";
  }, []);
  const found = errorCodes.value.filter((code) => matches(code, search));
  return (
    <article class="codes" aria-labelledby="codes-title">
      <header class="view-head">
        <h1 id="codes-title">Error codes</h1>
        <p class="lead">
          All codes that the service returns. A code at the top level is about the whole request. A code at an item is
          about that item only.
        </p>
      </header>
      <Input
        type="search"
        label="Search"
        placeholder="51008, UserSig, contact group…"
        value={search}
        onInput={(search) => replace("codes", "", { search })}
      />
      <p class="measure" role="status">
        {found.length} of {errorCodes.value.length}
      </p>
      <div class="code-cards">
        {found.map((code) => (
          <CodeCard key={`${code.code} ${code.families.join()}`} code={code} isLinked={String(code.code) === linked} />
        ))}
      </div>
      {found.length === 0 && <p class="empty">No code matches the search.</p>}
    </article>
  );
}

function CodeCard({ code, isLinked }: { code: ErrorCode; isLinked: boolean }) {
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    if (isLinked) element.current?.scrollIntoView({ block: "nearest" });
  }, [isLinked]);
  return (
    <section class={isLinked ? "code-card linked" : "code-card"} ref={element}>
      <header>
        <h2>{code.code}</h2>
        {code.name && <p class="code-name">{code.name}</p>}
        <p class="where">
          {code.level.split(", ").filter(Boolean).map((level) => (
            <span key={level} class="tag">
              {level}
            </span>
          ))}
          {code.families.map((family) => (
            <span key={family} class="tag">
              {family}
            </span>
          ))}
        </p>
      </header>
      <div class="code-text">
        <p class="meaning"><Ticked text={sentence(code.meaning)} /></p>
        <dl>
          <div>
            <dt>Cause</dt>
            <dd>
              <Ticked text={code.provokedBy} />
            </dd>
          </div>
          <div>
            <dt>What to do</dt>
            <dd>
              <Ticked text={code.remedy} />
            </dd>
          </div>
        </dl>
      </div>
    </section>
  );
}

function sentence(text: string): string {
  const capitalized = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capitalized) ? capitalized : `${capitalized}.`;
}

function matches(code: ErrorCode, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [code.code, code.name, code.level, code.meaning, code.provokedBy, code.remedy, ...code.families].join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}
