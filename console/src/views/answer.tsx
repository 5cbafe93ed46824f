// The answer of the service, with the meaning of its codes.

import { results, type ItemResult, verdict, verdictText } from "../api/call.ts";
import { explain, type Call } from "../api/document.ts";
import { NO_ANSWER, type Answer } from "../api/fetch.ts";
import { format, get, isObject } from "../json.ts";
import { Icon } from "../parts/icons.tsx";
import { Coloured, CopyButton, Notice, Text, Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";
import { RequestId } from "./calls.tsx";
import { read, type Draft } from "./drafts.ts";

export function AnswerPanel({ call, draft }: { call: Call; draft: Draft }) {
  const sent = draft.sent.value;
  return (
    <section class="panel answer-panel" aria-label="Answer" aria-busy={draft.sending.value}>
      {!sent ? (
        <>
          <header class="panel-head">
            <h2>Answer</h2>
          </header>
          <p class="empty">Send the request to see the answer here.</p>
        </>
      ) : "isLost" in sent.result ? (
        <>
          <header class="panel-head">
            <h2>Answer</h2>
          </header>
          <Notice kind="bad">
            <p>{NO_ANSWER} The request may or may not have arrived.</p>
            <p>Your input is kept. Send it again when the service is back.</p>
          </Notice>
        </>
      ) : (
        <AnswerDetails call={call} body={sent.body} answer={sent.result} />
      )}
    </section>
  );
}

function AnswerDetails({ call, body, answer }: { call: Call; body: string; answer: Answer }) {
  const found = verdict(answer.body);
  const items = isObject(answer.body) ? results(answer.body) : [];
  return (
    <>
      <header class="panel-head">
        <h2>Answer</h2>
        <span class={`pill ${PILLS[found.kind]}`}>{verdictText(found)}</span>
        <span class="measure">{answer.ms < 10 ? answer.ms.toFixed(1) : Math.round(answer.ms)} ms</span>
        <span class="measure status">HTTP {answer.status}</span>
        <CopyButton what="the answer" text={() => answer.text} />
      </header>
      {found.kind === "refused" && <Explanation call={call} code={found.code} info={String(get(answer.body, ["ErrorInfo"]) ?? "")} />}
      {items.length > 0 && <Items call={call} items={items} />}
      {(found.kind === "ok" || found.kind === "partial") && <LookUpLink body={body} />}
      {answer.requestId && <RequestId id={answer.requestId} />}
      <pre class="code" tabIndex={0} aria-label="The answer as JSON">
        <Coloured text={answer.body === undefined ? answer.text : format(answer.body)} />
      </pre>
    </>
  );
}

const PILLS = { ok: "good", partial: "warn", refused: "bad", unknown: "bad" } as const;

/** Leads from a mark to the conversations of the user who made it. */
function LookUpLink({ body }: { body: string }) {
  const sent = read(body);
  const owner = sent.ok ? get(sent.value, ["From_Account"]) : undefined;
  if (typeof owner !== "string") return null;
  return (
    <p class="next">
      <a href={link("users", owner)}>
        Look up <Text>{owner}</Text>
      </a>
    </p>
  );
}

function Explanation({ call, code, info }: { call: Call; code: number; info: string }) {
  const known = explain(code, call.family);
  return (
    <div class="explained">
      {info && (
        <p class="said">
          <Text>{info}</Text>
        </p>
      )}
      <p>
        <a href={link("codes", String(code))}>{code}</a> {known && <Ticked text={`means: ${known.meaning}.`} />}
      </p>
      {known?.remedy && (
        <p>
          <Ticked text={known.remedy} />
        </p>
      )}
    </div>
  );
}

/** What was refused comes first, since it is what is left to do. */
function Items({ call, items }: { call: Call; items: ItemResult[] }) {
  const numbered = items.map((item, at) => ({ ...item, at }));
  const refused = numbered.filter((item) => item.code !== 0);
  const done = numbered.filter((item) => item.code === 0);
  return (
    <ul class="results" aria-label="Results of the items">
      {[...refused, ...done].map(({ subject, code, info, at }) => {
        const known = code === 0 ? undefined : explain(code, call.family);
        return (
          <li key={at} class={code === 0 ? "good" : "bad"}>
            <Icon name={code === 0 ? "check" : "close"} />
            <div>
              <p class="result-head">
                <strong>
                  <Text>{subject || `item ${at + 1}`}</Text>
                </strong>
                {code === 0 ? <span class="measure">done</span> : <a href={link("codes", String(code))}>{code}</a>}
              </p>
              {code !== 0 && (
                <p>
                  <Text>{info}</Text>
                  {known?.remedy && (
                    <span class="measure">
                      {" "}
                      <Ticked text={known.remedy} />
                    </span>
                  )}
                </p>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
