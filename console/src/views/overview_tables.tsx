// The tables of the overview: apps, refusals by code, and calls.

import type { ComponentChildren } from "preact";
import { explain } from "../api/document.ts";
import { counted } from "../limits.ts";
import { type Between, bound, perSecond, size } from "../metrics.ts";
import { ago, Ticked } from "../parts/parts.tsx";
import { link } from "../route.ts";

const REQUESTS = "earmark_requests_total";
const is = (label: string, value: string) => (labels: Readonly<Record<string, string>>) => labels[label] === value;

/** A rate, or a dash while there is only one reading. */
function rate(whole: Between, name: string, fits: (labels: Readonly<Record<string, string>>) => boolean): string {
  return whole.seconds > 0 ? perSecond(whole.rate(name, fits)) : "–";
}

interface TableProps {
  id: string;
  title: string;
  about?: string;
  columns: string[];
  /** Shown if there are no rows. */
  empty: string;
  rows: { key: string; cells: ComponentChildren[] }[];
}

function Table({ id, title, about, columns, empty, rows }: TableProps) {
  return (
    <section class="panel" aria-labelledby={id}>
      <header class="panel-head wrap">
        <h2 id={id}>{title}</h2>
        {about && <p class="measure about">{about}</p>}
      </header>
      {rows.length === 0 ? (
        <p class="empty">{empty}</p>
      ) : (
        <div class="scrolls" role="region" aria-labelledby={id} tabIndex={0}>
          <table class="numbers">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ key, cells: [head, ...cells] }) => (
                <tr key={key}>
                  <th scope="row">{head}</th>
                  {cells.map((cell, at) => (
                    <td key={at}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function AppTable({ whole }: { whole: Between }) {
  const { now } = whole;
  const apps = [...new Set([...now.values("earmark_app_requests_total", "app"), ...now.values("earmark_app_users", "app")])].sort();
  const countedAt = now.series("earmark_app_counted_timestamp_seconds").map(({ value }) => value);
  const rows = apps.map((app) => {
    const ofApp = is("app", app);
    const number = (name: string) => counted(now.sum(name, ofApp));
    const ofCount = (text: () => string) => (now.sum("earmark_app_counted_timestamp_seconds", ofApp) > 0 ? text() : "–");
    // Further apps share a label.
    const name = app === "other" ? "other apps" : <a href={link("apps", app)}>{app}</a>;
    const refused = app === "other" ? "" : <a href={link("calls", "refused", { app })}>show</a>;
    return {
      key: app,
      cells: [
        name,
        rate(whole, "earmark_app_requests_total", ofApp),
        number("earmark_app_requests_total"),
        number("earmark_rate_limited_total"),
        ofCount(() => number("earmark_app_users")),
        ofCount(() => number("earmark_app_conversations")),
        ofCount(() => number("earmark_app_users_at_limit")),
        ofCount(() => size(now.sum("earmark_app_bytes", ofApp))),
        refused,
      ],
    };
  });
  return (
    <Table
      id="overview-apps"
      title="Apps"
      about={countedAt.length > 0 ? `Users and sizes are counted about once an hour, last ${ago(Date.now() / 1000 - Math.min(...countedAt))}.` : "Users and sizes are not counted yet."}
      columns={["App", "Requests/s", "Requests", "Rate-limited", "Users", "Conversations", "Users at a limit", "Size", "Refused"]}
      empty="No app has called yet."
      rows={rows}
    />
  );
}

/** The same code may be an answer to many calls. */
export function CodeTable({ whole }: { whole: Between }) {
  const { now } = whole;
  const refused = now.series(REQUESTS).filter(({ labels, value }) => labels.code !== "0" && value > 0);
  const codes = [...new Set(refused.map(({ labels }) => labels.code!))];
  const count = (code: string) => now.sum(REQUESTS, is("code", code));
  const rows = codes
    .sort((a, b) => count(b) - count(a))
    .map((code) => {
      const known = explain(Number(code));
      const calls = refused.filter(({ labels }) => labels.code === code).map(({ labels }) => labels.call);
      return {
        key: code,
        cells: [
          <a href={link("codes", code)}>{code}</a>,
          <Ticked text={known?.meaning ?? ""} />,
          rate(whole, REQUESTS, is("code", code)),
          counted(count(code)),
          calls.join(", "),
        ],
      };
    });
  return (
    <Table
      id="overview-codes"
      title="Refused requests"
      about="A request of which only items were refused is not among them."
      columns={["Code", "Meaning", "Requests/s", "Requests", "Calls"]}
      empty="Nothing was refused."
      rows={rows}
    />
  );
}

export function CallTable({ whole }: { whole: Between }) {
  const { now } = whole;
  const calls = now.values(REQUESTS, "call").filter((call) => now.sum(REQUESTS, is("call", call)) > 0);
  const rows = calls.sort().map((call) => {
    const ofCall = is("call", call);
    const slow = whole.quantile("earmark_request_duration_seconds", 0.99, ofCall);
    return {
      key: call,
      cells: [
        <code>{call}</code>,
        rate(whole, REQUESTS, ofCall),
        counted(now.sum(REQUESTS, ofCall)),
        counted(now.sum(REQUESTS, (labels) => ofCall(labels) && labels.code !== "0")),
        counted(now.sum("earmark_items_total", (labels) => ofCall(labels) && labels.outcome === "refused")),
        slow === null ? "–" : bound(slow),
      ],
    };
  });
  return (
    <Table
      id="overview-calls"
      title="Calls"
      columns={["Call", "Requests/s", "Requests", "Refused", "Items refused", "99 of 100 answers"]}
      empty="No call was answered yet."
      rows={rows}
    />
  );
}
