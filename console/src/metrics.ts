// What a process of the service counts, read from its metrics in Prometheus's text format.

/** The values of one metric, by its labels. */
interface Series {
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** All metrics of a process at one moment. */
export class Sample {
  private readonly families: ReadonlyMap<string, readonly Series[]>;

  /** `at` is in seconds. */
  constructor(
    text: string,
    readonly at: number,
  ) {
    this.families = parse(text);
  }

  series(name: string): readonly Series[] {
    return this.families.get(name) ?? [];
  }

  /** The sum of all series that fit. */
  sum(name: string, fits: (labels: Series["labels"]) => boolean = () => true): number {
    return this.series(name).filter(({ labels }) => fits(labels)).reduce((sum, { value }) => sum + value, 0);
  }

  /** The values of a label, in the order of their first series. */
  values(name: string, label: string): string[] {
    return [...new Set(this.series(name).flatMap(({ labels }) => labels[label] ?? []))];
  }

  /** The only series of a metric without labels; null if there is none. */
  value(name: string): number | null {
    return this.series(name)[0]?.value ?? null;
  }

  label(name: string, label: string): string {
    return this.series(name)[0]?.labels[label] ?? "";
  }
}

function parse(text: string): Map<string, Series[]> {
  const families = new Map<string, Series[]>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    const known = families.get(name!) ?? [];
    families.set(name!, known);
    known.push({ labels: parseLabels(labels), value: value === "+Inf" ? Infinity : Number(value) });
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name!] = value!.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}

/** Two moments of one process, and what happened between them. */
export class Between {
  constructor(
    readonly before: Sample,
    readonly now: Sample,
  ) {}

  get seconds(): number {
    return this.now.at - this.before.at;
  }

  /** How often it happened in each second. A series that is new has begun at 0. */
  rate(name: string, fits?: (labels: Series["labels"]) => boolean): number {
    return Math.max(0, this.now.sum(name, fits) - this.before.sum(name, fits)) / this.seconds;
  }

  /** The time that this part of the observations of a histogram stayed below, as a bucket's bound; null without any. */
  quantile(name: string, part: number, fits: (labels: Series["labels"]) => boolean = () => true): number | null {
    const bounds = [...new Set(this.now.series(`${name}_bucket`).map(({ labels }) => Number((labels.le ?? "").replace("+Inf", "Infinity"))))].sort((a, b) => a - b);
    const below = (bound: number) => (labels: Series["labels"]) => Number((labels.le ?? "").replace("+Inf", "Infinity")) === bound && fits(labels);
    const counts = bounds.map((bound) => {
      const [now, before] = [this.now, this.before].map((sample) => sample.sum(`${name}_bucket`, below(bound)));
      return now! - before!;
    });
    const all = counts.at(-1) ?? 0;
    if (all <= 0) return null;
    return bounds[counts.findIndex((count) => count >= part * all)] ?? null;
  }
}

/** A process that was started anew counts from 0. Behind a load balancer, another process may answer. */
export function isSameProcess(one: Sample, other: Sample): boolean {
  const start = "process_start_time_seconds";
  return one.value(start) === other.value(start);
}

/** A number of bytes for people. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const number = bytes / 1024 ** step;
  return `${number.toLocaleString("en", { maximumFractionDigits: number < 10 && step > 0 ? 1 : 0 })} ${units[step]}`;
}

/** Seconds for people: "under 5 ms", "under 2.5 s". */
export function bound(seconds: number): string {
  if (seconds === Infinity) return "over 5 s";
  return seconds < 1 ? `under ${(seconds * 1000).toLocaleString("en")} ms` : `under ${seconds.toLocaleString("en")} s`;
}

/** A rate for people: as many digits as say something. */
export function perSecond(rate: number): string {
  return rate.toLocaleString("en", { maximumFractionDigits: rate < 1 ? 2 : rate < 100 ? 1 : 0 });
}
