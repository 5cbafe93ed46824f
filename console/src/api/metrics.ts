// Reads the metrics of the process that answers, again and again while they are shown.

import { signal } from "@preact/signals";
import { Between, isSameProcess, Sample } from "../metrics.ts";
import { credentials } from "./admin.ts";
import { type FetchProblem, fetchText } from "./fetch.ts";

/** From one reading to the next. */
export const PERIOD_MS = 5_000;
/** Two readings that are closer say nothing of a rate. */
const APART_S = 1;
/** Five minutes of readings. */
const SAMPLES_MAX = 61;

/** The readings of one process, oldest first. */
export const samples = signal<readonly Sample[]>([]);
export const metricsProblem = signal<FetchProblem | null>(null);

export async function readMetrics(): Promise<void> {
  const answer = await fetchText("/admin/v1/metrics", { headers: credentials() });
  metricsProblem.value = answer.ok ? null : answer;
  if (!answer.ok) return;
  const now = new Sample(answer.text, performance.now() / 1000);
  const before = samples.value.at(-1);
  if (before && !isSameProcess(before, now)) samples.value = [now];
  else if (!before || now.at - before.at >= APART_S) samples.value = [...samples.value, now].slice(-SAMPLES_MAX);
}

/** Each reading with the one before it, oldest first. */
export function steps(all: readonly Sample[]): Between[] {
  return all.slice(1).map((now, at) => new Between(all[at]!, now));
}
