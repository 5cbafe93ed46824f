// What the service answered, in its own words, and what its codes mean.

import { results, type Result } from "../api/call.ts";
import { explain, type Call } from "../api/document.ts";
import { SILENCE, type Answer } from "../api/reach.ts";
import { format, get, isObject } from "../json.ts";
import { Icon } from "../parts/icons.tsx";
import { Button, Coloured, CopyButton, Notice, Text, Ticked } from "../parts/parts.tsx";
import { signingIn } from "../api/session.ts";
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
          <p class="empty">Send the request, and the answer stands here.</p>
        </>
      ) : "silent" in sent.result ? (
        <>
          <header class="panel-head">
            <h2>Answer</h2>
          </header>
          <Notice kind="bad">
            <p>{SILENCE} Whether the request arrived is not known.</p>
            <p>What you typed is still here: send it again when the service is back.</p>
          </Notice>
        </>
      ) : (
        <Answered call={call} body={sent.body} answer={sent.result} />
      )}
    </section>
  );
}

function Answered({ call, body, answer }: { call: Call; body: string; answer: Answer }) {
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
      {!isOk && <Explained call={call} code={Number(code)} info={String(get(answer.body, ["ErrorInfo"]) ?? "")} />}
      {items.length > 0 && <Items call={call} items={items} />}
      {isOk && <Next body={body} />}
      <pre class="code" tabIndex={0} aria-label="The answer as JSON">
        <Coloured text={answer.body === undefined ? answer.text : format(answer.body)} />
      </pre>
    </>
  );
}

/** From a mark to what it did: where the user's conversations are shown. */
function Next({ body }: { body: string }) {
  const sent = read(body);
  const owner = sent.ok ? get(sent.value, ["From_Account"]) : undefined;
  if (typeof owner !== "string") return null;
  return (
    <p class="next">
      <a href={link("users", owner)}>
        See what <Text>{owner}</Text> has now
      </a>
    </p>
  );
}

function Explained({ call, code, info }: { call: Call; code: number; info: string }) {
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
      {isSignature && <Button onClick={() => (signingIn.value = true)}>Sign in again</Button>}
    </div>
  );
}

function Items({ call, items }: { call: Call; items: Result[] }) {
  return (
    <ul class="results" aria-label="Items">
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
