// The answer of the service, with the meaning of its codes.

import { results, type ItemResult } from "../api/call.ts";
import { explain, type Call } from "../api/document.ts";
import { NO_ANSWER, type Answer } from "../api/fetch.ts";
import { format, get, isObject } from "../json.ts";
import { Icon } from "../parts/icons.tsx";
import { Button, Coloured, CopyButton, Notice, Text, Ticked } from "../parts/parts.tsx";
import { isSigningIn } from "../api/session.ts";
import { link } from "../route.ts";
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
  const code = get(answer.body, ["ErrorCode"]);
  const isOk = code === 0;
  const items = isObject(answer.body) ? results(answer.body) : [];
  return (
    <>
      <header class="panel-head">
        <h2>Answer</h2>
        <span class={isOk ? "pill good" : "pill bad"}>{typeof code === "number" ? (isOk ? "OK" : code) : "not JSON"}</span>
        <span class="measure">{answer.ms < 10 ? answer.ms.toFixed(1) : Math.round(answer.ms)} ms</span>
        <span class="measure status">HTTP {answer.status}</span>
        <CopyButton what="the answer" text={() => answer.text} />
      </header>
      {!isOk && <Explanation call={call} code={Number(code)} info={String(get(answer.body, ["ErrorInfo"]) ?? "")} />}
      {items.length > 0 && <Items call={call} items={items} />}
      {isOk && <LookUpLink body={body} />}
      <pre class="code" tabIndex={0} aria-label="The answer as JSON">
        <Coloured text={answer.body === undefined ? answer.text : format(answer.body)} />
      </pre>
    </>
  );
}

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
  const isSignature = code === 70001 || code === 70009 || code === 70013 || code === 70014;
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
      {isSignature && <Button onClick={() => (isSigningIn.value = true)}>Sign in again</Button>}
    </div>
  );
}

function Items({ call, items }: { call: Call; items: ItemResult[] }) {
  return (
    <ul class="results" aria-label="Results of the items">
      {items.map((item, at) => {
        const known = item.code === 0 ? undefined : explain(item.code, call.family);
        return (
          <li key={at} class={item.code === 0 ? "good" : "bad"}>
            <Icon name={item.code === 0 ? "check" : "close"} />
            <Text>{item.subject || `item ${at + 1}`}</Text>
            {item.code === 0 ? (
              <span class="measure">done</span>
            ) : (
              <span>
                <a href={link("codes", String(item.code))}>{item.code}</a> <Text>{item.info}</Text>
                {known?.remedy && (
                  <span class="measure">
                    {" "}
                    <Ticked text={known.remedy} />
                  </span>
                )}
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
