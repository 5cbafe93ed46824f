import assert from "node:assert/strict";
import { test } from "node:test";
import { Between, bound, isSameProcess, perSecond, Sample, size } from "../src/metrics.ts";

const TEXT = `# HELP earmark_requests_total Requests answered
# TYPE earmark_requests_total counter
earmark_requests_total{call="mark_contact",code="0"} 10
earmark_requests_total{call="mark_contact",code="51008"} 2
earmark_requests_total{call="get_list",code="0"} 5
earmark_ready 1
earmark_build_info{version="a\\"b\\\\n"} 1
process_start_time_seconds 1796000000
`;

const bucket = (le: string, count: number, call = "mark_contact") => `earmark_request_duration_seconds_bucket{call="${call}",le="${le}"} ${count}\n`;

test("values are found by name and label", () => {
  const sample = new Sample(TEXT, 0);
  assert.equal(sample.sum("earmark_requests_total"), 17);
  assert.equal(sample.sum("earmark_requests_total", ({ code }) => code !== "0"), 2);
  assert.deepEqual(sample.values("earmark_requests_total", "call"), ["mark_contact", "get_list"]);
  assert.equal(sample.value("earmark_ready"), 1);
  assert.equal(sample.value("earmark_database_up"), null);
  assert.equal(sample.label("earmark_build_info", "version"), 'a"b\\n');
});

test("a rate is what was counted between two moments, also for a series that is new", () => {
  const later = TEXT.replace("} 10", "} 30") + 'earmark_requests_total{call="new",code="0"} 4\n';
  const between = new Between(new Sample(TEXT, 100), new Sample(later, 104));
  assert.equal(between.rate("earmark_requests_total"), 6);
  assert.equal(between.rate("earmark_requests_total", ({ call }) => call === "new"), 1);
  assert.equal(between.rate("earmark_requests_total", ({ code }) => code !== "0"), 0);
});

test("a quantile is the bound of its bucket, from what came between", () => {
  const before = new Sample(bucket("0.001", 100) + bucket("0.01", 100) + bucket("+Inf", 100), 0);
  const now = new Sample(bucket("0.001", 150) + bucket("0.01", 199) + bucket("+Inf", 200), 5);
  const between = new Between(before, now);
  const quantile = (part: number) => between.quantile("earmark_request_duration_seconds", part);
  assert.deepEqual([quantile(0.5), quantile(0.99), quantile(1)], [0.001, 0.01, Infinity]);
  assert.equal(new Between(now, now).quantile("earmark_request_duration_seconds", 0.5), null);
  assert.equal(between.quantile("earmark_request_duration_seconds", 0.5, ({ call }) => call === "get_list"), null);
});

test("a process that was started anew is another process", () => {
  const [one, other] = [new Sample(TEXT, 0), new Sample(TEXT.replace("1796000000", "1796000001"), 5)];
  assert.equal(isSameProcess(one, new Sample(TEXT, 5)), true);
  assert.equal(isSameProcess(one, other), false);
});

test("numbers are written for people", () => {
  assert.deepEqual([0, 1023, 1024, 9_961_472, 3 * 2 ** 40].map(size), ["0 B", "1,023 B", "1 KiB", "9.5 MiB", "3 TiB"]);
  assert.deepEqual([0.0025, 2.5, Infinity].map(bound), ["under 2.5 ms", "under 2.5 s", "over 5 s"]);
  assert.deepEqual([0, 0.123, 12.34, 1234.5].map(perSecond), ["0", "0.12", "12.3", "1,235"]);
});
