// What was called: the log of this tab, what the service has refused, and what operators have changed.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { calls as documented } from "../api/document.ts";
import { calls, type LoggedCall, outcome } from "../api/log.ts";
import { call as send, fetchAs, session } from "../api/session.ts";
import { isEditing } from "../editing.ts";
import { format, type Json } from "../json.ts";
import { announcement, Button, Coloured, CopyButton } from "../parts/parts.tsx";
import { go, link, route } from "../route.ts";
import { AuditPanel } from "./audit.tsx";
import { draftOf, read } from "./drafts.ts";
import { RefusedPanel } from "./refused.tsx";

export function CallsView() {
  const { subject } = route.value;
  useEffect(() => {
    document.title = "Calls – earmark";
  }, []);
  return (
    <article class="calls" aria-labelledby="calls-title">
      <header class="view-head">
        <h1 id="calls-title">Calls</h1>
        <nav class="tabs" aria-label="Which calls">
          <a href={link("calls")} aria-current={subject === "" ? "page" : undefined}>
            Of this tab
          </a>
          <a href={link("calls", "refused")} aria-current={subject === "refused" ? "page" : undefined}>
            Refused by the service
          </a>
          <a href={link("calls", "changes")} aria-current={subject === "changes" ? "page" : undefined}>
            Changes by operators
          </a>
        </nav>
      </header>
      {subject === "refused" ? <RefusedPanel /> : subject === "changes" ? <AuditPanel /> : <OfThisTab />}
    </article>
  );
}

function OfThisTab() {
  if (calls.value.length === 0) {
    return <p class="empty">This tab has sent no call yet. Each call is listed here with its answer, until the tab is closed or reloaded.</p>;
  }
  return (
    <section class="panel" aria-label="Calls of this tab">
      <header class="panel-head">
        <h2>
          {calls.value.length} call{calls.value.length === 1 ? "" : "s"}
        </h2>
        <Button kind="quiet" onClick={() => (calls.value = [])}>
          Clear
        </Button>
      </header>
      <ul class="log">
        {calls.value.map((one) => (
          <Logged key={one.nr} one={one} />
        ))}
      </ul>
    </section>
  );
}

function Logged({ one }: { one: LoggedCall }) {
  const isOpen = useSignal(false);
  const { kind, text } = outcome(one);
  const at = new Date(one.at);
  return (
    <li>
      <button type="button" class="log-line" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
        <time class="measure" dateTime={at.toISOString()}>
          {at.toLocaleTimeString("en-GB")}
        </time>
        <span class="method">{one.method}</span>
        <code>{one.path}</code>
        <span class={`pill ${kind}`}>{text}</span>
        <span class="measure ms">{Math.round(one.ms)} ms</span>
      </button>
      {isOpen.value && <Details one={one} />}
    </li>
  );
}

function Details({ one }: { one: LoggedCall }) {
  return (
    <div class="log-details">
      {one.requestId && <RequestId id={one.requestId} />}
      <Again one={one} />
      {one.body && <Json title="Request" text={one.body} />}
      {one.answer !== null && <Json title="Answer" text={one.answer} />}
    </div>
  );
}

export function RequestId({ id }: { id: string }) {
  return (
    <p class="request-id">
      Request id <code>{id}</code>
      <CopyButton what="the request id" text={() => id} />
    </p>
  );
}

function Json({ title, text }: { title: string; text: string }) {
  const body = read(text);
  return (
    <>
      <h3>{title}</h3>
      <pre class="code" tabIndex={0} aria-label={title}>
        <Coloured text={body.ok ? format(body.value as Json) : text} />
      </pre>
    </>
  );
}

/** Sends a call again as the admin who is signed in, or opens it in its form. */
function Again({ one }: { one: LoggedCall }) {
  const caller = session.value;
  const known = documented.value.find(({ path }) => path === one.path);
  const isNative = one.path.startsWith("/v1/");
  if (!known && !isNative) return null;
  const isRead = known ? known.isReadOnly : one.method === "GET";
  const again = async () => {
    if (!caller) return;
    if (known) await send(one.path, one.body, caller);
    else await sendNative(one);
    announcement.value = "Sent again";
  };
  return (
    <div class="confirm">
      <Button icon="send" disabled={!caller || (!isRead && !isEditing.value)} onClick={() => void again()}>
        Send again
      </Button>
      {known && (
        <Button
          onClick={() => {
            draftOf(known).text.value = one.body;
            go("try", known.id);
          }}
        >
          Open in its form
        </Button>
      )}
      {!isRead && !isEditing.value && <span class="measure">It changes data: turn on Edit to send it.</span>}
    </div>
  );
}

async function sendNative({ method, path, body }: LoggedCall): Promise<void> {
  const caller = session.value!;
  const headers: Record<string, string> = { authorization: `Bearer ${caller.userSig}` };
  if (body) headers["content-type"] = "application/json";
  await fetchAs(caller)(path, { method, headers, ...(body && { body }) }).catch(() => {});
}
