// The webhooks of an app: how deliveries are doing, and the changes that could not be delivered.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { App } from "../api/admin.ts";
import { type FailedDelivery, loadDeliveries, loadWebhooks, replay, type Result, type Webhook } from "../api/webhooks.ts";
import { recoveries } from "../api/fetch.ts";
import { isEditing } from "../editing.ts";
import { announcement, Button, ProblemNotice, Text } from "../parts/parts.tsx";

export function Webhooks({ app }: { app: App }) {
  const webhooks = useSignal<Webhook[]>([]);
  const problem = useSignal<string | null>(null);
  const load = async () => {
    const result = await loadWebhooks(app.sdkAppId);
    problem.value = result.ok ? null : result.problem;
    if (result.ok) webhooks.value = result.found;
  };
  useEffect(() => void load(), [app.sdkAppId, recoveries.value]);
  return (
    <section class="group">
      <h3>Webhooks</h3>
      <ProblemNotice text={problem.value} />
      {webhooks.value.length === 0 && <p class="hint">There is no webhook. The admin API creates one.</p>}
      <ul class="keys">
        {webhooks.value.map((webhook) => (
          <li key={webhook.id}>
            <OneWebhook app={app} webhook={webhook} reload={load} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How often open lists of failed deliveries are read again, in milliseconds: a replay takes a moment. */
const REFRESH_MS = 2000;

function OneWebhook({ app, webhook, reload }: { app: App; webhook: Webhook; reload: () => Promise<void> }) {
  const deliveries = useSignal<FailedDelivery[] | null>(null);
  const show = async () => {
    const result = await loadDeliveries(app.sdkAppId, webhook.id);
    if (result.ok) deliveries.value = result.found;
    else announcement.value = result.problem;
  };
  const isOpen = deliveries.value !== null;
  useEffect(() => {
    if (!isOpen) return;
    const timer = setInterval(() => void Promise.all([show(), reload()]), REFRESH_MS);
    return () => clearInterval(timer);
  }, [isOpen]);
  const send = async (number: number) => {
    const result: Result<null> = await replay(app.sdkAppId, webhook.id, number);
    announcement.value = result.ok ? "It will be sent again" : result.problem;
    await Promise.all([show(), reload()]);
  };
  return (
    <div>
      <p>
        <Text>{webhook.url}</Text> <span class={state(webhook) === "delivers" ? "pill good" : "pill bad"}>{state(webhook)}</span>
      </p>
      {webhook.lastError && (
        <p class="hint">
          <Text>{webhook.lastError}</Text>
        </p>
      )}
      <Button onClick={() => void show()}>
        {`Failed deliveries: ${webhook.waiting} waiting, ${webhook.deadLetters} given up`}
      </Button>
      {deliveries.value && (
        <ul class="keys" aria-label={`Failed deliveries of webhook ${webhook.id}`}>
          {deliveries.value.length === 0 && <li>None.</li>}
          {deliveries.value.map((delivery) => (
            <li key={delivery.number}>
              <span>
                <Text>{delivery.about}</Text>, revision {delivery.revision}: <Text>{delivery.lastError ?? "waits for an earlier change"}</Text>
              </span>
              {delivery.dead && (
                <Button disabled={!isEditing.value} onClick={() => void send(delivery.number)} label={`Replay change ${delivery.number}`}>
                  Replay
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function state({ disabled, failingSince }: Webhook): string {
  if (disabled) return "disabled";
  return failingSince === null ? "delivers" : "fails";
}
