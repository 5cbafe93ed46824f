"""The figures: which contenders are compared, what is to be reached, and how it is told."""

import json
import re
import statistics
from dataclasses import dataclass
from html import escape

from machine import FOLDER, ROOT, write_json

MEMORY_MIB_MAX = 48
LARGE = 10_000_000


@dataclass(frozen=True)
class Figure:
    """A ratio of two contenders, taken round by round."""

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
        return f"{'≥' if self.at_least else '≤'} {self.target:.1f}×"

    def absolute(self, contender, rounds):
        value = statistics.median(one[contender][self.metric] for one in rounds) * self.items
        return f"{value:,.0f}{self.unit}" if value >= 1000 or self.unit != "/s" else f"{value:,.1f}{self.unit}"


FIGURES = [
    Figure("transaction", "single-item `mark_contact`, 64 connections, distinct users", "two-row transaction, 64 clients",
           "shared-64", "transaction-64", 3.0),
    Figure("upsert", "the same", "bare one-row upsert, 64 clients", "shared-64", "upsert-64", 1.5),
    Figure("many", "the same, 256 connections", "two-row transaction, 256 clients", "shared-256", "transaction-256", 6.0),
    Figure("naive", "single-item, 64 connections", "the service in naive mode", "shared-64", "naive-64", 3.0),
    Figure("items", "100-item `mark_contact`, items, 16 connections", "100-row upsert, 16 clients",
           "items-16", "upsert-many-16", 1.0, items=100),
    Figure("one-user", "single-item, 64 connections, one user", "the service in naive mode",
           "one-user-64", "one-user-naive-64", 3.0),
    Figure("median", "latency of one connection, median", "two-row transaction, 1 client",
           "shared-1", "transaction-1", 1.5, "p50_us", False, " µs"),
    Figure("p99", "latency of one connection, 99th percentile", "two-row transaction, 1 client",
           "shared-1", "transaction-1", 2.0, "p99_us", False, " µs"),
    Figure("page", "`get_contact_group`, pages of 100, 16 connections", "the same query, 16 clients",
           "page-16", "page-query-16", 0.7),
    Figure("large", "single-item, 64 connections, the large database", "the small database",
           "large-64", "small-64", 0.9),
]
MEMORY = "memory"
NAMES = [figure.name for figure in FIGURES] + [MEMORY]


def needed(names):
    """The contenders that these figures compare. Memory is that of everything that runs, and of the largest requests."""
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
        most = max(one[name]["memory_most_mib"] for one in rounds for name in one if "memory_most_mib" in one[name]
                   and not name.endswith("naive-64") and not name.startswith("naive"))
        now = [one["maximal-64"]["memory_mib"] for one in rounds if "maximal-64" in one]
        rows.append({
            "name": MEMORY, "figure": "resident memory of the service under the full load, at most", "compared_with": "—",
            "target": f"≤ {MEMORY_MIB_MAX} MiB", "ratio": None, "reached": most <= MEMORY_MIB_MAX,
            "ours": f"{most:.1f} MiB", "theirs": "—",
            "after_maximal_mib": now,
        })
    return rows


def table(rows):
    lines = [
        "| figure | ours | compared with | theirs | reach | ratio, median (lowest–highest) | |",
        "|---|---:|---|---:|---:|---:|---|",
    ]
    for row in rows:
        ratio = "—"
        if row["ratio"] is not None:
            ratio = f"**{row['ratio']:.2f}×** ({row['lowest']:.2f}–{row['highest']:.2f})"
        verdict = "reached" if row["reached"] else "**missed**"
        lines.append(f"| {row['figure']} | {row['ours']} | {row['compared_with']} | {row['theirs']} | {row['target']} "
                     f"| {ratio} | {verdict} |")
    return "\n".join(lines)


def ran_on(about):
    machine = about["machine"]
    settings = ", ".join(f"{key} = {value}" for key, value in machine["postgres_settings"].items())
    stored = ", ".join(f"{count:,} in the {name} database" for name, count in about["conversations"].items())
    return "\n".join([
        f"* {about['rounds']} rounds of {about['seconds']} s for each contender, {about['started']}, earmark {machine['earmark']}",
        f"* conversations stored: {stored}",
        f"* {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, Linux {machine['kernel']}, load average "
        f"{machine['load_average_before']} before the start",
        f"* {machine['postgres']}: {settings}; data checksums; buffers in {'huge' if machine['huge_pages'] else 'ordinary'} pages",
        f"* the disk makes {machine['disk_flushes_per_second']:,} single writes of 8 KiB durable per second",
    ])


def evidence_text(evidence):
    """What each contender cost, and the dearest statements."""
    if not evidence:
        return ""
    lines = [
        "| contender | answers/s | per commit | statements per commit | WAL flushes/s | WAL bytes per answer "
        "| processor µs per answer: service, PostgreSQL, load | cores in use |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    number = lambda value, digits=1: "—" if value is None else f"{value:,.{digits}f}"
    for name, one in evidence.items():
        cores = one["cores"]
        lines.append(
            f"| {name} | {number(one['per_second'], 0)} | {number(one.get('answers_per_commit'))} "
            f"| {number(one.get('statements_per_commit'))} | {number(one['wal_flushes_per_second'], 0)} "
            f"| {number(one['wal_bytes_per_answer'], 0)} "
            f"| {', '.join(number(cores[side] / one['per_second'] * 1e6, 0) for side in ('service', 'postgres', 'load'))} "
            f"| {sum(cores.values()):.2f} |"
        )
    for name, one in evidence.items():
        states = ", ".join(f"{state} {count}" for state, count in list(one["backends"].items())[:6])
        lines += ["", f"**{name}**: server processes in a transaction, on average: {states or '—'}"]
        if one.get("statements"):
            lines += ["", "| statement | calls | mean ms | ms per commit |", "|---|---:|---:|---:|"]
            for statement in one["statements"][:7]:
                text = statement["text"].replace("|", "\\|")
                lines.append(f"| `{text}` | {statement['calls']:,} | {statement['mean_ms']:.3f} "
                             f"| {statement['ms_per_commit']:.3f} |")
    return "\n".join(lines)


def markdown(about):
    parts = ["# Benchmark", ran_on(about), table(about["figures"])]
    if about["short"]:
        parts.append("A short run is a hint, not a figure: its turns are too short for 256 connections to settle.")
    if about["evidence"]:
        parts += ["## Where the time goes", evidence_text(about["evidence"])]
    return "\n\n".join(parts) + "\n"


def chart(rows):
    """The ratios as bars on one scale, each with a tick at what is to be reached. An SVG file that needs nothing else."""
    rows = [row for row in rows if row["ratio"] is not None]
    left, width, step = 390, 400, 30
    goals = {row["name"]: float(re.search(r"[\d.]+", row["target"]).group()) for row in rows}
    most = max(goals.values()) * 1.5  # longer bars are cut: the shorter ones would vanish beside them
    scale = lambda value: min(value / most, 1) * width
    height = step * len(rows) + 46
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="Ratios and what is to be reached">',
        f'<rect width="100%" height="{height}" fill="#fff"/>',
        '<text x="10" y="20" font-weight="bold">times the contender beside it; the tick is what is to be reached '
        "(latencies: at most)</text>",
    ]
    for nr, row in enumerate(rows):
        y = 34 + nr * step
        goal = left + scale(goals[row["name"]])
        fill = "#2a7f62" if row["reached"] else "#b5523b"
        label = escape(row["figure"].replace("`", ""))
        if row["figure"] == "the same":
            label = "… against the bare upsert"
        out += [
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}</text>',
            f'<rect x="{left}" y="{y + 3}" width="{scale(row["ratio"]):.1f}" height="16" fill="{fill}"/>',
            f'<line x1="{goal:.1f}" y1="{y}" x2="{goal:.1f}" y2="{y + 22}" stroke="#111" stroke-width="2"/>',
            f'<text x="{left + max(scale(row["ratio"]), goal - left) + 6:.1f}" y="{y + 15}">{row["ratio"]:.2f}×</text>',
        ]
    return "\n".join([*out, "</svg>"]) + "\n"


def write(about):
    write_json(FOLDER / "report.json", about)
    (FOLDER / "report.md").write_text(markdown(about))
    if any(row["ratio"] is not None for row in about["figures"]):
        (FOLDER / "chart.svg").write_text(chart(about["figures"]))


def publish():
    """Takes the last full run over into docs/performance.md."""
    about = json.loads((FOLDER / "report.json").read_text())
    if about["conversations"].get("large") != LARGE or [row["name"] for row in about["figures"]] != NAMES:
        return "the last run was not a full one: nothing was published"
    page = ROOT / "docs" / "performance.md"
    text = page.read_text()
    sections = {"ran on": ran_on(about), "figures": table(about["figures"]), "evidence": evidence_text(about["evidence"])}
    for name, section in sections.items():
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda place: f"{place[1]}{section}\n{place[2]}", text,
                              flags=re.DOTALL)
        if found != 1:
            return f"docs/performance.md has no place for: {name}"
    page.write_text(text)
    (ROOT / "docs" / "performance.svg").write_text(chart(about["figures"]))
    return "docs/performance.md and docs/performance.svg hold the last full run"
