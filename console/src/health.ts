// Whether a process of the service is well, by its metrics.

import { counted } from "./limits.ts";
import { type Sample, size } from "./metrics.ts";

export interface Check {
  title: string;
  text: string;
  /** Null if no value of it is wrong. */
  isGood: boolean | null;
}

export function checks(now: Sample): Check[] {
  const isOne = (name: string) => now.value(name) === 1;
  const number = (name: string) => now.sum(name);
  const parts = now.series("earmark_partition_up");
  const up = parts.filter(({ value }) => value === 1).length;
  const [schema, needed] = [number("earmark_database_schema_version"), number("earmark_database_schema_version_required")];
  const [inUse, most] = [now.sum("earmark_database_connections", ({ state }) => state === "in_use"), number("earmark_database_connections_max")];
  const failing = number("earmark_webhooks_failing");
  const dropped = number("earmark_log_lines_dropped_total");
  const inDoubt = now.sum("earmark_commit_failures_total", ({ kind }) => kind === "in_doubt");
  const overloaded = number("earmark_overloaded_total");
  return [
    { title: "Service", text: isOne("earmark_ready") ? "ready" : "not ready", isGood: isOne("earmark_ready") },
    { title: "Database", text: isOne("earmark_database_up") ? "answers" : "does not answer", isGood: isOne("earmark_database_up") },
    ...(parts.length > 1 ? [{ title: "Partitions", text: `${up} of ${parts.length} can be written to`, isGood: up === parts.length }] : []),
    { title: "Schema", text: schema >= needed ? `version ${schema}` : `version ${schema}, needs ${needed}`, isGood: schema >= needed },
    { title: "Connections to the database", text: `${counted(inUse)} of ${counted(most)} in use`, isGood: null },
    { title: "Writes that wait", text: counted(number("earmark_lane_queue_depth")), isGood: null },
    { title: "Writes refused by a full queue", text: counted(overloaded), isGood: overloaded > 0 ? false : null },
    { title: "Writes in doubt", text: counted(inDoubt), isGood: inDoubt > 0 ? false : null },
    { title: "Oldest transaction", text: `${counted(number("earmark_database_oldest_snapshot_seconds"))} s`, isGood: null },
    {
      title: "Webhooks",
      text: failing > 0 ? `${counted(failing)} failing, ${counted(number("earmark_webhook_lag_seconds"))} s behind` : "none fails",
      isGood: failing > 0 ? false : null,
    },
    { title: "Deliveries given up", text: counted(number("earmark_webhook_dead_letters")), isGood: number("earmark_webhook_dead_letters") > 0 ? false : null },
    { title: "Log lines dropped", text: counted(dropped), isGood: dropped > 0 ? false : null },
    { title: "Memory", text: size(number("process_resident_memory_bytes")), isGood: null },
  ];
}
