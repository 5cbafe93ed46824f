import assert from "node:assert/strict";
import { test } from "node:test";
import { checks } from "../src/health.ts";
import { Sample } from "../src/metrics.ts";

const WELL = `earmark_ready 1
earmark_database_up 1
earmark_database_schema_version 7
earmark_database_schema_version_required 7
earmark_partition_up{partition="0"} 1
earmark_database_connections{state="in_use"} 2
earmark_database_connections{state="idle"} 3
earmark_database_connections_max 12
earmark_webhooks_failing 0
`;

const bad = (text: string) => checks(new Sample(text, 0)).filter(({ isGood }) => isGood === false).map(({ title, text }) => `${title}: ${text}`);

test("nothing is bad about a process that is well", () => {
  assert.deepEqual(bad(WELL), []);
  const connections = checks(new Sample(WELL, 0)).find(({ title }) => title.startsWith("Connections"));
  assert.equal(connections?.text, "2 of 12 in use");
});

test("what is not well is said in words", () => {
  for (const [change, said] of [
    ["earmark_ready 0", "Service: not ready"],
    ["earmark_database_up 0", "Database: does not answer"],
    ["earmark_database_schema_version 6", "Schema: version 6, needs 7"],
    ["earmark_webhooks_failing 2\nearmark_webhook_lag_seconds 90", "Webhooks: 2 failing, 90 s behind"],
    ['earmark_commit_failures_total{kind="in_doubt"} 1', "Writes in doubt: 1"],
    ["earmark_overloaded_total 4", "Writes refused by a full queue: 4"],
    ['earmark_partition_up{partition="1"} 0', "Partitions: 1 of 2 can be written to"],
  ] as const) {
    const name = change.split(" ")[0]!;
    const text = WELL.split("\n").filter((line) => !line.startsWith(`${name} `)).join("\n");
    assert.deepEqual(bad(`${text}\n${change}`), [said]);
  }
});
