// How the service is doing, from its metrics alone: health, rates, and below them apps, codes and calls.

import { useEffect } from "preact/hooks";
import { operatorToken } from "../api/admin.ts";
import { recoveries } from "../api/fetch.ts";
import { metricsProblem, PERIOD_MS, readMetrics, samples, steps } from "../api/metrics.ts";
import { checks } from "../health.ts";
import { counted } from "../limits.ts";
import { Between, bound, perSecond, type Sample } from "../metrics.ts";
import { ago } from "../parts/parts.tsx";
import { Sparkline } from "../parts/sparkline.tsx";
import { OperatorProblem } from "./operator.tsx";
import { AppTable, CallTable, CodeTable } from "./overview_tables.tsx";

export function OverviewView() {
  useEffect(() => {
    document.title = "Overview – earmark";
  }, []);
  useEffect(() => {
    void readMetrics();
    const timer = setInterval(() => {
      if (!document.hidden && !metricsProblem.value) void readMetrics();
    }, PERIOD_MS);
    return () => clearInterval(timer);
  }, [operatorToken.value, recoveries.value]);
  const problem = metricsProblem.value;
  const now = samples.value.at(-1);
  return (
    <article class="overview" aria-labelledby="overview-title">
      <header class="view-head">
        <h1 id="overview-title">Overview</h1>
        <p class="lead">What one process of the service has counted since it started. Rates are those of the last five minutes at most.</p>
      </header>
      {problem && <OperatorProblem {...problem} retry={() => void readMetrics()} />}
      {!problem && now && <Numbers now={now} />}
    </article>
  );
}

function Numbers({ now }: { now: Sample }) {
  // A process that was read only once has no rates yet: it is compared with itself.
  const whole = new Between(samples.value[0]!, now);
  return (
    <>
      <Rates whole={whole} />
      <Health now={now} />
      <AppTable whole={whole} />
      <CodeTable whole={whole} />
      <CallTable whole={whole} />
    </>
  );
}

const isRefused = ({ code }: Readonly<Record<string, string>>) => code !== "0";
/** A stream of events lasts as long as its client wants. */
const isShort = ({ call }: Readonly<Record<string, string>>) => !["v1_get_events", "v1_get_changes", "v1_get_app_changes"].includes(call ?? "");

function Rates({ whole }: { whole: Between }) {
  const all = steps(samples.value);
  const requests = all.map((one) => one.rate("earmark_requests_total"));
  const refused = all.map((one) => one.rate("earmark_requests_total", isRefused));
  const last = all.at(-1);
  const slow = whole.quantile("earmark_request_duration_seconds", 0.99, isShort);
  const usual = whole.quantile("earmark_request_duration_seconds", 0.5, isShort);
  return (
    <section class="tiles" aria-label="Rates">
      <Tile title="Requests per second" value={last && perSecond(requests.at(-1)!)} line={requests} about={`${counted(whole.now.sum("earmark_requests_total"))} in all`} />
      <Tile
        title="Refused per second"
        value={last && perSecond(refused.at(-1)!)}
        line={refused}
        about={`${counted(whole.now.sum("earmark_requests_total", isRefused))} in all`}
        isBad={(refused.at(-1) ?? 0) > 0}
      />
      <Tile title="99 of 100 answers" value={slow === null ? undefined : bound(slow)} about={usual === null ? "no request yet" : `half of them ${bound(usual)}`} />
      <Tile
        title="In progress"
        value={counted(whole.now.sum("earmark_requests_in_flight"))}
        about={`${counted(whole.now.sum("earmark_listeners"))} clients wait for changes`}
      />
    </section>
  );
}

interface TileProps {
  title: string;
  /** Undefined while it is not known. */
  value: string | undefined;
  about: string;
  line?: readonly number[];
  isBad?: boolean;
}

function Tile({ title, value, about, line, isBad }: TileProps) {
  return (
    <div class={isBad ? "tile bad" : "tile"}>
      <h2>{title}</h2>
      <p class="tile-value">{value ?? "–"}</p>
      {line && <Sparkline label={`${title}, the last five minutes`} values={line} />}
      <p class="measure">{about}</p>
    </div>
  );
}

function Health({ now }: { now: Sample }) {
  return (
    <section class="panel" aria-labelledby="health-title">
      <header class="panel-head wrap">
        <h2 id="health-title">Health</h2>
        <p class="measure">
          earmark {now.label("earmark_build_info", "version")}, started {ago(Date.now() / 1000 - (now.value("process_start_time_seconds") ?? 0))}
        </p>
      </header>
      <dl class="checks">
        {checks(now).map(({ title, text, isGood }) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd>{isGood === null ? text : <span class={isGood ? "pill good" : "pill bad"}>{text}</span>}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
