// The view of one call: its form, the same request as JSON, the answer, and the call as code.

import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { calls, families, type Call } from "../api/document.ts";
import { verdict, verdictText } from "../api/call.ts";
import { call as send, isSigningIn, session } from "../api/session.ts";
import { isEditing } from "../editing.ts";
import { Form } from "../form/form.tsx";
import { announcement, Button, Text, Ticked } from "../parts/parts.tsx";
import { get, type Json } from "../json.ts";
import { Editor } from "../parts/editor.tsx";
import { offerUndo } from "../parts/undo.tsx";
import { go, link, route } from "../route.ts";
import { AnswerPanel } from "./answer.tsx";
import { change, draftOf, exampleOf, problemOf, read, type Draft } from "./drafts.ts";
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
        <ResetButton call={call} draft={draft} />
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

/** Brings the example back, in place of what was written. */
function ResetButton({ call, draft }: { call: Call; draft: Draft }) {
  const { text } = draft;
  const example = exampleOf(call);
  if (text.value === example) return null;
  const reset = () => {
    const before = text.value;
    text.value = example;
    offerUndo(`${call.id} is the example again`, async () => {
      text.value = before;
      return null;
    });
  };
  return (
    <Button kind="quiet" onClick={reset}>
      Reset to the example
    </Button>
  );
}

function JsonPanel({ call, draft }: { call: Call; draft: Draft }) {
  const body = useComputed(() => read(draft.text.value)).value;
  return (
    <section class="panel json-panel" aria-label="JSON">
      <header class="panel-head">
        <h2>JSON</h2>
        <Button kind="primary" icon="send" disabled={isBlocked(call)} busy={draft.sending.value} onClick={() => sendDraft(call, draft)}>
          {draft.sending.value ? "Sending…" : "Send"}
        </Button>
      </header>
      {isBlocked(call) && <p class="read-only">Read-only. This call changes data: turn on Edit to send it.</p>}
      <Editor
        label="Request body as JSON"
        text={draft.text}
        problem={body.ok ? null : body.problem}
        onSubmit={() => sendDraft(call, draft)}
      />
    </section>
  );
}

/** Whether the call may change data while the page may not. */
function isBlocked(call: Call): boolean {
  return !call.isReadOnly && !isEditing.value;
}

async function sendDraft(call: Call, draft: Draft): Promise<void> {
  if (!session.value) {
    isSigningIn.value = true;
    return;
  }
  if (draft.sending.value || isBlocked(call)) return;
  const body = draft.text.value;
  draft.sending.value = true;
  const result = await send(call.path, body, session.value);
  draft.sending.value = false;
  draft.sent.value = { body, result };
  announcement.value = "isLost" in result ? "No answer" : summary(result.body);
}

function summary(body: Json | undefined): string {
  const found = verdict(body);
  const info = found.kind === "refused" ? `error ${found.code}, ${String(get(body, ["ErrorInfo"]) ?? "")}` : verdictText(found);
  return `Answered: ${info}`;
}
