"""The figures: which contenders they compare, their targets, and the report."""

import json
import re
import statistics
from dataclasses import dataclass
from html import escape

from machine import FOLDER, ROOT, write_json

MEMORY_MIB_MAX = 48
LARGE = 10_000_000
# The reports of all runs. Three full runs are published together, because a single run on a shared machine may be lucky.
RUNS = FOLDER / "runs"
PUBLISHED_RUNS = 3


@dataclass(frozen=True)
class Figure:
    """The ratio of two contenders, round by round."""

    name: str
    title: str
    baseline_title: str
    contender: str
    baseline: str
    target: float
    metric: str = "per_second"
    at_least: bool = True
    unit: str = "/s"
    items: int = 1

    def ratios(self, rounds):
        return [one[self.contender][self.metric] / one[self.baseline][self.metric] for one in rounds]

    def reached(self, ratio):
        return ratio >= self.target if self.at_least else ratio <= self.target

    def goal(self):
        return f"{'≥' if self.at_least else '≤'} {self.target:g}×"

    def absolute(self, contender, rounds):
        value = statistics.median(one[contender][self.metric] for one in rounds) * self.items
        return f"{value:,.0f}{self.unit}" if value >= 1000 or self.unit != "/s" else f"{value:,.1f}{self.unit}"


FIGURES = [
    Figure("transaction", "single items, 64 connections", "two-row transaction, 64 clients", "shared-64", "transaction-64", 4.0),
    Figure("upsert", "single items, 64 connections, against the upsert", "bare one-row upsert, 64 clients",
           "shared-64", "upsert-64", 1.8),
    Figure("many", "single items, 256 connections", "two-row transaction, 256 clients", "shared-256", "transaction-256", 7.0),
    Figure("toggle", "marks that are set and cleared, 64 connections", "transaction that inserts or deletes, 64 clients",
           "toggle-64", "toggle-sql-64", 5.0),
    Figure("new", "conversations that are new, 64 connections", "transaction that inserts, 64 clients",
           "new-64", "new-sql-64", 3.0),
    Figure("away", "single items, 64 connections, PostgreSQL 1 ms away", "two-row transaction, 64 clients, PostgreSQL 1 ms away",
           "away-64", "transaction-away-64", 5.0),
    Figure("items", "100 items per request, 16 connections, items", "100-row upsert, 16 clients",
           "items-16", "upsert-many-16", 0.75, items=100),
    Figure("one-user", "single items, 64 connections, one user", "two-row transaction, 64 clients, one user",
           "one-user-64", "one-user-transaction-64", 3.0),
    Figure("median", "latency of one connection, median", "two-row transaction, 1 client",
           "shared-1", "transaction-1", 1.2, "p50_us", False, " µs"),
    Figure("p99", "latency of one connection, 99th percentile", "two-row transaction, 1 client",
           "shared-1", "transaction-1", 1.5, "p99_us", False, " µs"),
    Figure("page", "`get_contact_group`, pages of 100, 16 connections", "the same query, 16 clients",
           "page-16", "page-query-16", 0.7),
    Figure("large", "single items, 64 connections, large database", "the same load, small database",
           "large-64", "small-64", 0.85),
    Figure("feed", "single items, 64 connections, feed on", "the same load, feed off", "feed-64", "feed-off-64", 0.85),
]
MEMORY = "memory"
NAMES = [figure.name for figure in FIGURES] + [MEMORY]


def needed(names):
    """The contenders of these figures. The memory figure also needs the load with the largest requests."""
    wanted = {side for figure in FIGURES if figure.name in names for side in (figure.contender, figure.baseline)}
    return wanted | ({"maximal-64"} if MEMORY in names else set())


def summarize(rounds, names):
    """One row per figure."""
    rows = []
    for figure in FIGURES:
        if figure.name not in names:
            continue
        ratios = figure.ratios(rounds)
        middle = statistics.median(ratios)
        rows.append({
            "name": figure.name, "figure": figure.title, "compared_with": figure.baseline_title, "target": figure.goal(),
            "ratio": middle, "lowest": min(ratios), "highest": max(ratios), "reached": figure.reached(middle),
            "ours": figure.absolute(figure.contender, rounds), "theirs": figure.absolute(figure.baseline, rounds),
        })
    if MEMORY in names:
        most = max(one[name]["memory_most_mib"] for one in rounds for name in one if "memory_most_mib" in one[name])
        now = [one["maximal-64"]["memory_mib"] for one in rounds if "maximal-64" in one]
        rows.append({
            "name": MEMORY, "figure": "resident memory of the service under the full load, at most", "compared_with": "—",
            "target": f"≤ {MEMORY_MIB_MAX} MiB", "ratio": None, "reached": most <= MEMORY_MIB_MAX,
            "ours": f"{most:.1f} MiB", "theirs": "—", "most_mib": most, "after_maximal_mib": now,
        })
    return rows


def verdict(row):
    return "reached" if row["reached"] else "**missed**"


def table(rows):
    """The table of one run."""
    lines = [
        "| figure | ours | compared with | theirs | reach | ratio, median (lowest–highest) | |",
        "|---|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        ratio = "—"
        if row["ratio"] is not None:
            ratio = f"**{row['ratio']:.2f}×** ({row['lowest']:.2f}–{row['highest']:.2f})"
        lines.append(f"| {row['figure']} | {row['ours']} | {row['compared_with']} | {row['theirs']} | {row['target']} "
                     f"| {ratio} | {verdict(row)} |")
    return "\n".join(lines)


def combined(runs):
    """Combines several full runs. A figure is reached if the median of the runs' ratios reaches the target. Rates and latencies
    are medians of all rounds."""
    rounds = [one for about in runs for one in about["rounds_measured"]]
    rows = summarize(rounds, NAMES)
    for nr, row in enumerate(rows):
        figure = next((figure for figure in FIGURES if figure.name == row["name"]), None)
        if figure:
            row["of_runs"] = [statistics.median(figure.ratios(about["rounds_measured"])) for about in runs]
            row["ratio"] = statistics.median(row["of_runs"])
            row["reached"] = figure.reached(row["ratio"])
        else:
            row["of_runs"] = [about["figures"][nr]["most_mib"] for about in runs]
            row["median_mib"] = statistics.median(row["of_runs"])
            row["reached"] = row["median_mib"] <= MEMORY_MIB_MAX
            row["ours"] = "—"
    return rows


def table_of_runs(rows, runs):
    """The table of several full runs, one column for each run."""
    heads = [about["started"].replace(" UTC", "") for about in runs]
    lines = [
        f"| figure | ours | compared with | theirs | reach | {' | '.join(heads)} | median | |",
        f"|---|---:|---|---:|---:|{'---:|' * len(runs)}---:|---|",
    ]
    for row in rows:
        of_runs = [f"{value:.2f}×" if row["ratio"] is not None else f"{value:.1f} MiB" for value in row["of_runs"]]
        median = f"{row['ratio']:.2f}×" if row["ratio"] is not None else f"{row['median_mib']:.1f} MiB"
        lines.append(f"| {row['figure']} | {row['ours']} | {row['compared_with']} | {row['theirs']} | {row['target']} "
                     f"| {' | '.join(of_runs)} | **{median}** | {verdict(row)} |")
    return "\n".join(lines)


def settings_of(about):
    """The facts that all runs on a machine share, as bullets."""
    machine = about["machine"]
    settings = ", ".join(f"{key} = {value}" for key, value in machine["postgres_settings"].items())
    stored = ", ".join(f"{count:,} in {name}" for name, count in about["conversations"].items())
    return [
        f"* {about['rounds']} rounds of {about['seconds']} s for each contender",
        f"* conversations in the databases before the run: {stored}",
        f"* {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}",
        f"* {machine['postgres']}: {settings}; data checksums",
    ]


def state_of(about):
    """The facts that differ between runs on a machine."""
    machine = about["machine"]
    return (f"{about['started']}, earmark {machine['earmark']}, load average {machine['load_average_before']} before the start, "
            f"shared buffers in {'huge' if machine['huge_pages'] else 'ordinary'} pages, the disk makes "
            f"{machine['disk_flushes_per_second']:,} writes of 8 KiB durable per second, one after the other")


def ran_on(runs):
    """The machine, the settings and the times of the runs."""
    return "\n".join([*settings_of(runs[-1]), *(f"* {state_of(about)}" for about in runs)])


def evidence_text(evidence):
    """The cost of each contender, and its most expensive statements."""
    if not evidence:
        return ""
    lines = [
        "| contender | answers/s | per commit | statements per commit | WAL flushes/s | WAL bytes per answer "
        "| processor µs per answer: service, PostgreSQL, load, delay | cores in use |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    number = lambda value, digits=1: "—" if value is None else f"{value:,.{digits}f}"
    for name, one in evidence.items():
        cores = one["cores"]
        costs = ", ".join(number(cores[side] / one["per_second"] * 1e6, 0) for side in ("service", "postgres", "load", "delay"))
        lines.append(
            f"| {name} | {number(one['per_second'], 0)} | {number(one.get('answers_per_commit'))} "
            f"| {number(one.get('statements_per_commit'))} | {number(one['wal_flushes_per_second'], 0)} "
            f"| {number(one['wal_bytes_per_answer'], 0)} "
            f"| {costs} | {sum(cores.values()):.2f} |"
        )
    for name, one in evidence.items():
        states = ", ".join(f"{state} {count}" for state, count in list(one["backends"].items())[:6])
        lines += ["", f"**{name}**: PostgreSQL's processes in a transaction, on average: {states or '—'}"]
        if one.get("statements"):
            lines += ["", "| statement | calls | mean ms | ms per commit |", "|---|---:|---:|---:|"]
            for statement in one["statements"][:7]:
                text = statement["text"].replace("|", "\\|")
                lines.append(f"| `{text}` | {statement['calls']:,} | {statement['mean_ms']:.3f} "
                             f"| {statement['ms_per_commit']:.3f} |")
    return "\n".join(lines)


def markdown(about):
    parts = ["# Benchmark", ran_on([about]), table(about["figures"])]
    if about["short"]:
        parts.append("This was a short run. Its ratios are only hints: in short turns, 256 connections do not reach a steady state.")
    if about["evidence"]:
        parts += ["## Where the time goes", evidence_text(about["evidence"])]
    return "\n\n".join(parts) + "\n"


def chart(rows):
    """An SVG file with the ratios as bars on one scale. A tick marks the target of each."""
    rows = [row for row in rows if row["ratio"] is not None]
    left, width, step = 390, 400, 30
    goals = {row["name"]: float(re.search(r"[\d.]+", row["target"]).group()) for row in rows}
    most = max(goals.values()) * 1.5  # longer bars are cut off, so that short bars stay visible
    scale = lambda value: min(value / most, 1) * width
    height = step * len(rows) + 46
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Ratios and targets">',
        f'<rect width="100%" height="{height}" fill="#fff"/>',
        '<text x="10" y="20" font-weight="bold">ratio to the other contender; the tick is the target '
        "(for latencies: the maximum)</text>",
    ]
    for nr, row in enumerate(rows):
        y = 34 + nr * step
        goal = left + scale(goals[row["name"]])
        fill = "#2a7f62" if row["reached"] else "#b5523b"
        label = escape(row["figure"].replace("`", ""))
        out += [
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}</text>',
            f'<rect x="{left}" y="{y + 3}" width="{scale(row["ratio"]):.1f}" height="16" fill="{fill}"/>',
            f'<line x1="{goal:.1f}" y1="{y}" x2="{goal:.1f}" y2="{y + 22}" stroke="#111" stroke-width="2"/>',
            f'<text x="{left + max(scale(row["ratio"]), goal - left) + 6:.1f}" y="{y + 15}">{row["ratio"]:.2f}×</text>',
        ]
    return "\n".join([*out, "</svg>"]) + "\n"


def write(about):
    """Writes the report of a run. A run that lacks changes is not kept for publishing."""
    write_json(FOLDER / "report.json", about)
    (FOLDER / "report.md").write_text(markdown(about))
    if any(row["ratio"] is not None for row in about["figures"]):
        (FOLDER / "chart.svg").write_text(chart(about["figures"]))
    if not about["changes_missing"]:
        RUNS.mkdir(exist_ok=True)
        write_json(RUNS / f"{re.sub('[^0-9]+', '-', about['started']).strip('-')}.json", about)


def is_full(about):
    has_all_figures = [row["name"] for row in about["figures"]] == NAMES
    return not about["short"] and about["conversations"].get("large") == LARGE and has_all_figures


def publish():
    """Writes the figures of the last full runs into docs/performance.md, and the evidence of the last one that has any."""
    runs = sorted((json.loads(file.read_text()) for file in RUNS.glob("*.json")), key=lambda about: about["started"])
    runs = [about for about in runs if is_full(about)][-PUBLISHED_RUNS:]
    if len(runs) < PUBLISHED_RUNS:
        return f"nothing was published: {RUNS} has {len(runs)} full runs, but {PUBLISHED_RUNS} are needed"
    evidence = next((about["evidence"] for about in reversed(runs) if about["evidence"]), {})
    page = ROOT / "docs" / "performance.md"
    text, rows = page.read_text(), combined(runs)
    sections = {"ran on": ran_on(runs), "figures": table_of_runs(rows, runs), "evidence": evidence_text(evidence)}
    for name, section in sections.items():
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda place: f"{place[1]}{section}\n{place[2]}", text,
                              flags=re.DOTALL)
        if found != 1:
            return f"docs/performance.md has no section `<!-- {name} -->`"
    page.write_text(text)
    (ROOT / "docs" / "performance.svg").write_text(chart(rows))
    versions = sorted({about["machine"]["earmark"] for about in runs})
    warning = f"; warning: the runs measured different versions: {', '.join(versions)}" if len(versions) > 1 else ""
    started = ", ".join(about["started"] for about in runs)
    return f"wrote the runs of {started} into docs/performance.md and performance.svg{warning}"
