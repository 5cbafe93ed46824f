// The table of a user's conversations: what it shows is in the page's address.

import type { Conversation } from "../api/conversations.ts";
import { key } from "../api/conversations.ts";
import { session } from "../api/session.ts";
import { Input } from "../parts/inputs.tsx";
import { Ago, announcement, Button, ReadOnlyHint, Text } from "../parts/parts.tsx";
import { saveFile } from "../parts/save_file.ts";
import { link, route, setParams } from "../route.ts";
import { type CountedFacet, csv, matches, type Order, ORDERS, type Wanted } from "../table.ts";
import { chosen, found, isLive, isLoading, load, names, readAt, user } from "./lookup.ts";
import { AddConversation } from "./lookup_add.tsx";
import { BulkBar } from "./lookup_bulk.tsx";
import { Row } from "./lookup_row.tsx";

/** Rows on one page. */
const PAGE = 50;

function wanted(): Wanted {
  const { filter = "", has = "", order = "" } = route.value.params;
  return { text: filter, facets: has.split(",").filter(Boolean), order: order in ORDERS ? (order as Order) : "changed" };
}

export function LookupTable() {
  const { conversations } = found.value!;
  const { shown, facets } = matches(conversations, names.value, wanted());
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const at = Math.min(Math.max(1, Number.parseInt(route.value.params.page ?? "1", 10) || 1), pages);
  const onPage = shown.slice((at - 1) * PAGE, at * PAGE);
  return (
    <section class="panel lookup" aria-labelledby="conversations-title">
      <Head shown={shown} />
      <ReadOnlyHint />
      <AddConversation />
      <Filters facets={facets} />
      <p class="measure matches" role="status">
        {conversations.length > 0 && (shown.length === conversations.length ? "All of them are shown." : `${shown.length} of ${conversations.length} match.`)}
      </p>
      <BulkBar shown={shown} />
      {shown.length === 0 ? <Nothing isFiltered={conversations.length > 0} /> : <Table rows={onPage} />}
      {pages > 1 && <Pager at={at} pages={pages} />}
    </section>
  );
}

function Head({ shown }: { shown: Conversation[] }) {
  const { conversations } = found.value!;
  const last = conversations.reduce<Conversation | null>(
    (newest, one) => (one.changedAt > (newest?.changedAt ?? 0) ? one : newest),
    null,
  );
  const picked = conversations.filter((one) => chosen.value.has(key(one)));
  const exported = picked.length > 0 ? picked : shown;
  const save = () => {
    saveFile(`${session.value?.sdkAppId}-${user.value}.csv`, "text/csv;charset=utf-8", csv(exported, names.value));
    announcement.value = `Exported ${exported.length} conversations`;
  };
  return (
    <header class="panel-head wrap">
      <h2 id="conversations-title">
        {conversations.length} conversation{conversations.length === 1 ? "" : "s"}
      </h2>
      {last && (
        <p class="measure last-change">
          Last changed: <Text>{last.id}</Text>, <Ago at={last.changedAt} now={Math.max(readAt.value, last.changedAt)} />
        </p>
      )}
      <p class={isLive.value ? "measure live" : "measure"} title={isLive.value ? "Changes show up at once" : "Not connected to the service"}>
        {isLive.value ? "live" : "not live"}
      </p>
      <div class="head-actions">
        <Button kind="quiet" icon="download" disabled={exported.length === 0} onClick={save}>
          Export {picked.length > 0 ? `${picked.length} chosen` : `${shown.length}`} as CSV
        </Button>
        <Button kind="quiet" icon="refresh" label="Reload" disabled={isLoading.value} onClick={() => void load(user.value)} />
      </div>
    </header>
  );
}

function Filters({ facets }: { facets: CountedFacet[] }) {
  const { text, facets: has, order } = wanted();
  const toggle = (id: string) => {
    const now = has.includes(id) ? has.filter((other) => other !== id) : [...has, id];
    setParams({ has: now.join(","), page: "" }, true);
  };
  return (
    <div class="filters">
      <Input
        type="search"
        label="Filter"
        placeholder="id, mark, custom mark or contact group"
        value={text}
        onInput={(filter) => setParams({ filter, page: "" }, false)}
      />
      <div class="field">
        <label for="order">Order</label>
        <select id="order" onChange={(event) => setParams({ order: event.currentTarget.value, page: "" }, true)}>
          {Object.entries(ORDERS).map(([id, title]) => (
            <option key={id} value={id} selected={id === order}>
              {title}
            </option>
          ))}
        </select>
      </div>
      <div class="chips facets" role="group" aria-label="Only with">
        {facets.map(({ id, title, count, isChosen }) => (
          <button key={id} type="button" class={isChosen ? "chip on" : "chip"} aria-pressed={isChosen} disabled={count === 0 && !isChosen} onClick={() => toggle(id)}>
            <Text>{title}</Text> <span class="count">{count}</span>
          </button>
        ))}
        {has.length > 0 && (
          <button type="button" class="chip more" onClick={() => setParams({ has: "", page: "" }, true)}>
            clear
          </button>
        )}
      </div>
    </div>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  return (
    <p class="empty">
      {isFiltered ? (
        "No conversation matches the filter."
      ) : (
        <>
          The service stores nothing for this user. <a href={link("try", "mark_contact")}>Mark a conversation</a>
        </>
      )}
    </p>
  );
}

/** The roles are those that the elements have already. A browser drops them when the style sheet lays out a table otherwise. */
function Table({ rows }: { rows: Conversation[] }) {
  const isAll = rows.every((one) => chosen.value.has(key(one)));
  const chooseAll = () => {
    const now = new Set(chosen.value);
    for (const one of rows) {
      if (isAll) now.delete(key(one));
      else now.add(key(one));
    }
    chosen.value = now;
  };
  return (
    <table role="table" class="conversations" aria-label="Conversations">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" class="pick">
            <input type="checkbox" aria-label="Choose all on this page" checked={isAll} onChange={chooseAll} />
          </th>
          {["Conversation", "Marks", "Custom mark", "Contact groups", "Changed"].map((title) => (
            <th key={title} role="columnheader" scope="col">
              {title}
            </th>
          ))}
          <th role="columnheader" scope="col">
            <span class="visually-hidden">Pin and actions</span>
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((one) => (
          <Row key={key(one)} conversation={one} />
        ))}
      </tbody>
    </table>
  );
}

function Pager({ at, pages }: { at: number; pages: number }) {
  const turn = (page: number) => setParams({ page: page === 1 ? "" : String(page) }, true);
  return (
    <nav class="pager" aria-label="Pages">
      <Button disabled={at === 1} onClick={() => turn(at - 1)}>
        Previous
      </Button>
      <label>
        Page{" "}
        <select class="small" onChange={(event) => turn(Number(event.currentTarget.value))}>
          {Array.from({ length: pages }, (_, page) => (
            <option key={page} value={page + 1} selected={page + 1 === at}>
              {page + 1}
            </option>
          ))}
        </select>{" "}
        of {pages}
      </label>
      <Button disabled={at === pages} onClick={() => turn(at + 1)}>
        Next
      </Button>
    </nav>
  );
}
