// The view of one call: its form, the same request as JSON, the answer, and the call as code.

import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { calls, families, type Call } from "../api/document.ts";
import { send } from "../api/call.ts";
import { isSigningIn, session } from "../api/session.ts";
import { Form } from "../form/form.tsx";
import { announcement, Button, Text, Ticked } from "../parts/parts.tsx";
import { format, get, type Json } from "../json.ts";
import { Editor } from "../parts/editor.tsx";
import { go, link, route } from "../route.ts";
import { AnswerPanel } from "./answer.tsx";
import { change, draftOf, problemOf, read, type Draft } from "./drafts.ts";
import { Reference } from "./reference.tsx";
import { SnippetPanel } from "./snippet.tsx";

export function TryView() {
  const call = calls.value.find(({ id }) => id === route.value.subject) ?? calls.value[0];
  if (!call) return null;
  return (
    <div class="try">
      <CallList current={call} />
      <CallPage key={call.id} call={call} />
    </div>
  );
}

function CallList({ current }: { current: Call }) {
  return (
    <>
      <nav class="call-list" aria-label="Calls">
        {families.value.map(({ name, title, calls }) => (
          <div key={name}>
            <h2>{title}</h2>
            <ul>
              {calls.map((call) => (
                <li key={call.id}>
                  <a href={link("try", call.id)} aria-current={call === current ? "page" : undefined}>
                    {call.id}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <div class="call-select">
        <label for="call-select">Call</label>
        <select id="call-select" onChange={(event) => go("try", event.currentTarget.value)}>
          {families.value.map(({ name, title, calls }) => (
            <optgroup key={name} label={title}>
              {calls.map((call) => (
                <option key={call.id} value={call.id} selected={call === current}>
                  {call.id}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </div>
    </>
  );
}

function CallPage({ call }: { call: Call }) {
  const draft = draftOf(call);
  useEffect(() => {
    document.title = `${call.id} – earmark`;
  }, []);
  return (
    <article class="call-page" aria-labelledby="call-title">
      <header class="call-head">
        <h1 id="call-title">{call.summary || call.id}</h1>
        <p class="endpoint">
          <span class="method">POST</span> <code>{call.path}</code>
        </p>
        {call.description && (
          <p class="lead">
            <Ticked text={call.description} />
          </p>
        )}
      </header>
      <div class="columns">
        <section class="panel form-panel" aria-label="Form">
          <FormPanel call={call} draft={draft} />
        </section>
        <div class="column">
          <JsonPanel call={call} draft={draft} />
          <AnswerPanel call={call} draft={draft} />
          <SnippetPanel call={call} draft={draft} />
        </div>
      </div>
      <Reference call={call} />
    </article>
  );
}

function FormPanel({ call, draft }: { call: Call; draft: Draft }) {
  const body = useComputed(() => read(draft.text.value)).value;
  const problem = useComputed(() => problemOf(draft)).value;
  return (
    <>
      <header class="panel-head">
        <h2>Request</h2>
        {call.examples.length > 1 && <Examples call={call} draft={draft} />}
      </header>
      {body.ok ? (
        <Form
          schema={call.schema}
          editing={{ value: body.value, change: (path, to) => change(draft, path, to), problem }}
        />
      ) : (
        <p class="empty">
          The form comes back when the JSON is valid again. <Text>{body.problem}</Text>
        </p>
      )}
    </>
  );
}

function Examples({ call, draft }: { call: Call; draft: Draft }) {
  return (
    <select
      class="small"
      aria-label="Choose an example"
      onChange={(event) => {
        const example = call.examples[event.currentTarget.selectedIndex - 1];
        if (example) draft.text.value = format(example.body);
        event.currentTarget.selectedIndex = 0;
      }}
    >
      <option>Examples…</option>
      {call.examples.map(({ name }) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

function JsonPanel({ call, draft }: { call: Call; draft: Draft }) {
  const body = useComputed(() => read(draft.text.value)).value;
  return (
    <section class="panel json-panel" aria-label="JSON">
      <header class="panel-head">
        <h2>JSON</h2>
        <Button kind="primary" icon="send" disabled={draft.sending.value} onClick={() => sendDraft(call, draft)}>
          {draft.sending.value ? "Sending…" : "Send"}
        </Button>
      </header>
      <Editor
        label="Request body as JSON"
        text={draft.text}
        problem={body.ok ? null : body.problem}
        onSubmit={() => sendDraft(call, draft)}
      />
    </section>
  );
}

async function sendDraft(call: Call, draft: Draft): Promise<void> {
  if (!session.value) {
    isSigningIn.value = true;
    return;
  }
  if (draft.sending.value) return;
  const body = draft.text.value;
  draft.sending.value = true;
  const result = await send(call.path, body, session.value);
  draft.sending.value = false;
  draft.sent.value = { body, result };
  announcement.value = "isLost" in result ? "No answer" : summary(result.body);
}

function summary(body: Json | undefined): string {
  const code = get(body, ["ErrorCode"]);
  return code === 0 ? "Answered: OK" : `Answered: error ${String(code)}, ${String(get(body, ["ErrorInfo"]) ?? "")}`;
}
