"""The contenders, and how their load is sent and measured."""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from machine import APP, FOLDER, ROOT, Failed

# The small database: users, and conversations of each user. 100,000 conversations in total.
WRITERS, WRITER_PEERS = 4096, 20
READERS, READER_PEERS = 100, 180
ONE_USER_PEERS = 80
SMALL = 100_000
MAXIMAL_USERS = 200
# Conversations of each user that the toggle load marks and clears. They are few, so that the warm-up can mark each of them once.
TOGGLED_PEERS = 4
# With this many users, no user reaches the limit of 1,000 conversations in a run.
NEW_USERS, NEW_USER_PEERS = 32_768, 2

# The services, each with its database, and whether the delay is between the two.
SERVICES = {
    "shared": ("small", False),
    "large": ("large", False),
    "toggle": ("toggle", False),
    "new": ("new", False),
    "one-user": ("one_user", False),
    "away": ("small", True),
    "feed": ("feed", False),
}
# The delay adds this to each round trip.
AWAY_MICROSECONDS = 1000

BENCH = ROOT / "bench"
HERE = os.fspath(BENCH)


@dataclass
class Load:
    """A contender: a load on a service (`lua`) or on PostgreSQL alone (`sql`), in the database of that service."""

    name: str
    title: str
    connections: int
    lua: str = ""
    sql: str = ""
    service: str = "shared"
    command: str = "mark_contact"
    # Conversations that each answer changes or reads.
    items: int = 1
    # Transactions in one run of the SQL script. Each transaction counts as an answer.
    transactions: int = 1
    writes: bool = True
    # The service may combine requests into one change of a row, so PostgreSQL counts fewer changes than there are requests.
    combines: bool = False
    users: int = WRITERS
    peers: int = WRITER_PEERS
    letter: str = "w"
    expected: str = ""
    # The latency of each request or transaction is recorded, for the percentiles.
    latencies: bool = False

    @property
    def database(self):
        return SERVICES[self.service][0]

    @property
    def is_away(self):
        return SERVICES[self.service][1]


def loads(large_writers):
    """All contenders. A figure compares two neighbours of this list."""
    single = "single-item mark_contact"
    reading = {"users": READERS, "letter": "r", "writes": False}
    many = {"users": READERS, "letter": "r", "items": 100}
    one = {"service": "one-user", "users": 1, "letter": "o", "peers": ONE_USER_PEERS, "combines": True}
    toggle = {"service": "toggle", "peers": TOGGLED_PEERS}
    new = {"service": "new", "users": NEW_USERS, "peers": NEW_USER_PEERS}
    return [
        Load("shared-64", single, 64, lua="mark_one"),
        Load("transaction-64", "two-row transaction", 64, sql="transaction"),
        Load("upsert-64", "bare upsert", 64, sql="upsert"),
        Load("large-64", f"{single}, large database", 64, lua="mark_one", service="large", users=large_writers),
        Load("small-64", f"{single}, small database", 64, lua="mark_one"),
        Load("shared-256", single, 256, lua="mark_one"),
        Load("transaction-256", "two-row transaction", 256, sql="transaction"),
        Load("feed-64", f"{single}, feed on", 64, lua="mark_one", service="feed"),
        Load("feed-off-64", f"{single}, feed off", 64, lua="mark_one"),
        Load("toggle-64", f"{single}, mark and clear", 64, lua="mark_toggle", **toggle),
        Load("toggle-sql-64", "insert and delete, a transaction each", 64, sql="toggle", transactions=2, **toggle),
        Load("new-64", f"{single}, new conversations", 64, lua="mark_new", **new),
        Load("new-sql-64", "insert in a transaction", 64, sql="new", **new),
        Load("away-64", f"{single}, database 1 ms away", 64, lua="mark_one", service="away"),
        Load("transaction-away-64", "two-row transaction, database 1 ms away", 64, sql="transaction", service="away"),
        Load("items-16", "100-item mark_contact", 16, lua="mark_many", **many),
        Load("upsert-many-16", "100-row upsert", 16, sql="upsert_many", **many),
        Load("one-user-64", f"{single}, one user", 64, lua="mark_one", **one),
        Load("one-user-transaction-64", "two-row transaction, one user", 64, sql="transaction", **one),
        Load("shared-1", single, 1, lua="mark_one", latencies=True),
        Load("transaction-1", "two-row transaction", 1, sql="transaction", latencies=True),
        Load("page-16", "get_contact_group", 16, lua="page", command="get_contact_group", items=100,
             expected='"CompleteFlag":0', **reading),
        Load("page-query-16", "the page's query", 16, sql="page", items=100, **reading),
        Load("maximal-64", "100 maximal items", 64, lua="mark_maximal", users=MAXIMAL_USERS, letter="m", items=100),
    ]


@dataclass
class Bench:
    """The processes that run during a measurement."""

    programs: dict
    postgres: object
    earmark: object
    services: dict
    delay: object = None
    stamp: int = 0
    # For each database and letter of users: the first number that no run has used for their conversations.
    first_numbers: dict = field(default_factory=dict)
    # For each database: the number of changes of conversations that the loads have requested.
    asked: dict = field(default_factory=dict)

    def measure(self, load, seconds):
        """Runs a load and returns its figures."""
        self.stamp += 1
        service = self.services[load.service] if load.lua else None
        before = self.costs(load, service)
        result = self.wrk(load, service, seconds) if load.lua else self.pgbench(load, seconds)
        after = self.costs(load, service)
        if load.writes and not load.combines:
            self.asked[load.database] = self.asked.get(load.database, 0) + result["answers"] * load.items
        elapsed = result["seconds"]
        result["per_second"] = result["answers"] / elapsed
        for name in before:
            result[name] = (after[name] - before[name]) / elapsed
        if service:
            result["memory_mib"], result["memory_most_mib"] = service.memory_mib()
        return result

    def costs(self, load, service):
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "cores_load": usage.ru_utime + usage.ru_stime,
            "cores_postgres": self.postgres.cpu_seconds(),
            "cores_service": service.cpu_seconds() if service else 0.0,
            "cores_delay": self.delay.cpu_seconds() if load.is_away else 0.0,
            "wal_bytes_per_second": int(self.postgres.query(load.database, "SELECT pg_current_wal_insert_lsn() - '0/0'")),
        }

    def wrk(self, load, service, seconds):
        threads = min(2, load.connections)
        numbers = load.database, load.letter
        environment = os.environ | {
            "BENCH_FOLDER": HERE, "BENCH_PATH": self.earmark.path(load.command), "BENCH_STAMP": str(self.stamp),
            "BENCH_THREADS": str(threads), "BENCH_USERS": str(load.users), "BENCH_PEERS": str(load.peers),
            "BENCH_LETTER": load.letter, "BENCH_FIRST": str(self.first_numbers.get(numbers, 0)),
        }
        if load.latencies:
            environment["BENCH_LATENCIES"] = "yes"
        if load.expected:
            environment["BENCH_EXPECTED"] = load.expected
        command = [self.programs["wrk"], "--threads", threads, "--connections", load.connections, "--duration", f"{seconds}s",
                   "--timeout", "10s", "--script", BENCH / f"{load.lua}.lua", service.url]
        printed = finished(command, seconds, env=environment)
        line = re.search(r"^RESULT (.*)$", printed, re.MULTILINE)
        if not line:
            raise Failed(f"{load.name}: wrk printed no result:\n{printed[-2000:]}")
        result = json.loads(line.group(1))
        if result["failures"] or result["socket_errors"] or not result["answers"]:
            raise Failed(f"{load.name}: {result['failures']} of {result['answers']} answers are failures and there were "
                         f"{result['socket_errors']} socket errors; first failure: {result['first_failure'] or 'none'}")
        self.first_numbers[numbers] = result["next_number"]
        return result

    def pgbench(self, load, seconds):
        sockets = self.delay.sockets if load.is_away else self.postgres.sockets
        command = [
            self.programs["pgbench"], "--host", sockets, "--username", "earmark", "--no-vacuum",
            "--protocol", "prepared", "--client", load.connections, "--jobs", min(2, load.connections),
            "--time", seconds, "--file", self.script(load), "--define", f"app={APP}", "--define", f"clients={load.connections}",
            "--define", f"users={load.users}", "--define", f"peers={load.peers}", load.database,
        ]
        logs = FOLDER / "pgbench-log"
        if load.latencies:
            shutil.rmtree(logs, ignore_errors=True)
            logs.mkdir()
            command[1:1] = ["--log", "--log-prefix", logs / "log"]
        # The service uses the same settings.
        environment = os.environ | {"PGOPTIONS": "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"}
        printed = finished(command, seconds, env=environment)
        try:
            answers = int(re.search(r"actually processed: (\d+)", printed).group(1))
            failed = int(re.search(r"failed transactions: (\d+)", printed).group(1))
            rate = float(re.search(r"^tps = ([\d.]+) \(without initial", printed, re.MULTILINE).group(1))
        except AttributeError:
            raise Failed(f"{load.name}: pgbench printed no result:\n{printed[-2000:]}") from None
        if failed or not answers:
            raise Failed(f"{load.name}: {failed} of {answers} transactions failed")
        result = {"answers": answers * load.transactions, "seconds": answers / rate}
        if load.latencies:
            times = [int(line.split()[2]) for file in logs.iterdir() for line in file.read_text().splitlines()]
            result |= {"p50_us": statistics.median(times), "p99_us": statistics.quantiles(times, n=100)[98]}
        return result

    def script(self, load):
        """Writes the script that pgbench runs."""
        text = (BENCH / f"{load.sql}.sql").read_text().replace("{letter}", load.letter)
        if "{statement}" in text:
            # Remove the comments: pgbench would count the parameters that they name.
            lines = (ROOT / "src" / "store" / "sql" / "page.sql").read_text().splitlines()
            statement = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()
            values = {"$1": ":app::bigint", "$2": f"('{load.letter}' || :user::text)", "$3": "0::int", "$4": "101::bigint"}
            text = text.replace("{statement}", re.sub(r"\$\d", lambda place: values[place.group()], statement))
        script = FOLDER / f"{load.sql}.sql"
        script.write_text(text)
        return script

    def look_into(self, load, seconds):
        """Runs a load again with statistics turned on, to see where its time goes. Statistics cost time, so this run is not part
        of the figures."""
        postgres, database = self.postgres, load.database
        sampler = Sampler(postgres, load.database)
        if postgres.has_statements:
            track(postgres, "all")
            postgres.query(database, "SELECT pg_stat_statements_reset()")
        service = self.services[load.service] if load.lua and load.writes else None
        commits = service.commits() if service else 0
        try:
            with sampler:
                result = self.measure(load, seconds)
            commits = service.commits() - commits if service else 0
            statements = most_expensive(postgres, database) if postgres.has_statements else []
        finally:
            if postgres.has_statements:
                track(postgres, "none")
        elapsed = result["seconds"]
        evidence = {
            "per_second": result["per_second"],
            "cores": {name: result[f"cores_{name}"] for name in ("service", "postgres", "load", "delay")},
            "wal_bytes_per_answer": result["wal_bytes_per_second"] * elapsed / result["answers"],
            "wal_flushes_per_second": sampler.wal_flushes_per_second(),
            "backends": sampler.backends(),
        }
        # Each answer of pgbench is one commit. For the service, its own metrics count the commits, because PostgreSQL also counts
        # each reading statement as a transaction.
        rate = result["per_second"]
        if load.lua:
            rate = commits / elapsed if load.writes else sampler.commits_per_second()
        if rate:
            evidence |= {"answers_per_commit": result["per_second"] / rate}
            # PostgreSQL counts a prepared BEGIN or COMMIT only once, so pgbench's statements cannot be counted.
            if load.lua and statements:
                evidence["statements_per_commit"] = sum(one["calls"] for one in statements) / elapsed / rate
            evidence["statements"] = [one | {"ms_per_commit": one["total_ms"] / elapsed / rate} for one in statements[:10]]
        return evidence

    def changes(self):
        """For each database: the number of changes of conversations that PostgreSQL has counted so far."""
        counted = {}
        for database in {database for database, _ in SERVICES.values()}:
            if self.postgres.query("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}'"):
                counted[database] = int(self.postgres.query(
                    database, "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'conversations'"))
        return counted

    def missing_changes(self, before):
        """Compares the changes that the loads requested with the changes that PostgreSQL counted since `before`. Returns a
        sentence for each database that lacks changes. Call it after the services have stopped, when PostgreSQL's counts are
        complete.

        The service writes fewer rows than it gets requests in two cases: a request changes nothing, or two requests of one
        batch change the same conversation. The loads avoid both: each request stores another value than the request before it,
        and concurrent requests are of different users. The load with a single user cannot avoid the second case. That user has
        its own database, which is not compared. One change in a thousand may be missing: wrk creates a last request that it does
        not send, and when an earlier request is late, a request may store the value that the conversation already has.
        """
        counted = self.changes()
        made = {database: counted[database] - before[database] for database in self.asked}
        return [
            f"database {database}: the loads requested {asked:,} changes of conversations, but PostgreSQL counted {made[database]:,}"
            for database, asked in self.asked.items() if made[database] < asked * 0.999
        ]


def finished(command, seconds, **more):
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds + 60, **more)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]}: timeout") from None
    if done.returncode != 0:
        raise Failed(f"{command[0]} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def track(postgres, what):
    postgres.query("postgres", f"ALTER SYSTEM SET pg_stat_statements.track = '{what}'", "SELECT pg_reload_conf()")
    time.sleep(0.2)


def most_expensive(postgres, database):
    rows = postgres.query(database, """
        SELECT json_agg(row_to_json(s)) FROM (
            SELECT
                left(regexp_replace(trim(regexp_replace(query, '--[^\\n]*\\n', '', 'g')), '\\s+', ' ', 'g'), 100) AS text,
                sum(calls)::bigint AS calls,
                sum(rows)::bigint AS rows, sum(total_exec_time) AS total_ms, sum(total_exec_time) / sum(calls) AS mean_ms,
                sum(wal_bytes)::bigint AS wal_bytes
            FROM pg_stat_statements
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND query NOT LIKE '%pg_stat%' AND query NOT LIKE '%pg_current_wal%'
            GROUP BY 1 ORDER BY total_ms DESC
        ) s
    """)
    return json.loads(rows) if rows else []


class Sampler:
    """Samples the wait events of PostgreSQL's processes twenty times per second, and counts WAL flushes."""

    TEXT = """
        SELECT 'B', CASE state WHEN 'idle in transaction' THEN 'waits for the next statement'
            ELSE coalesce(wait_event_type || ':' || wait_event, 'works') END, count(*), extract(epoch FROM clock_timestamp())
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
        GROUP BY 2
        UNION ALL SELECT 'W', '', wal_sync, extract(epoch FROM clock_timestamp()) FROM pg_stat_wal
        UNION ALL SELECT 'X', '', xact_commit, extract(epoch FROM clock_timestamp())
        FROM pg_stat_database WHERE datname = current_database() \\watch 0.05
    """

    def __init__(self, postgres, database):
        self.postgres = postgres
        self.command = postgres.psql(database)

    def __enter__(self):
        self.output = open(FOLDER / "samples", "w+")
        self.child = self.postgres.processes.start(self.command, stdin=subprocess.PIPE, stdout=self.output,
                                                   stderr=subprocess.DEVNULL, text=True)
        self.child.stdin.write(" ".join(self.TEXT.split()) + "\n")
        self.child.stdin.flush()

    def __exit__(self, *_):
        self.child.kill()
        self.child.stdin.close()
        self.postgres.processes.stop(self.child)
        self.output.seek(0)
        self.rows = [line.strip().split("|") for line in self.output if line.count("|") == 3]
        self.output.close()

    def backends(self):
        """The mean number of processes in each state."""
        ticks = sum(row[0] == "W" for row in self.rows) or 1
        sums = {}
        for kind, state, number, _ in self.rows:
            if kind == "B":
                sums[state] = sums.get(state, 0) + int(number)
        return {state: round(number / ticks, 2) for state, number in sorted(sums.items(), key=lambda one: -one[1])}

    def wal_flushes_per_second(self):
        return self.growth("W", 0)

    def commits_per_second(self):
        return self.growth("X", 1)

    def growth(self, kind, own):
        """The growth of a counter per second, without the growth `own` that each sample itself causes. PostgreSQL's processes
        report their counts once per second, so the growth is measured from one report to another. Reports of the first second
        also contain earlier events, so they are skipped."""
        rows = [(float(at), int(number)) for what, _, number, at in self.rows if what == kind]
        rows = [(at, number - own * nr) for nr, (at, number) in enumerate(rows)]
        reports = [after for before, after in zip(rows, rows[1:]) if after[1] > before[1] and after[0] > rows[0][0] + 0.9]
        if len(reports) < 2:
            return None
        return (reports[-1][1] - reports[0][1]) / (reports[-1][0] - reports[0][0])


__all__ = ["Bench", "Load", "loads"]
