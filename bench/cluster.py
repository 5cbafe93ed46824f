"""Servers for `bench/citus`: plain PostgreSQL and a Citus cluster on this machine, or a cluster that was given."""

import hashlib
import os
import re
import signal
from pathlib import Path

from load import WRITER_PEERS, WRITERS
from machine import APP, ROOT, Failed, Postgres, free_port, run

# Citus must be the first library. It moves partitions with logical replication, which needs slots and senders on each node.
CITUS = {
    "shared_preload_libraries": "citus", "wal_level": "logical", "max_replication_slots": "20", "max_wal_senders": "20",
    "max_worker_processes": "32", "max_logical_replication_workers": "16", "shared_buffers": "1GB",
    # The nodes trust the loopback address. Without this, Citus encrypts its connections between nodes.
    "citus.node_conninfo": "sslmode=disable",
}


def partition_of(user, partitions):
    """The partition of a user of the app, as in docs/partition-hash.csv."""
    digest = hashlib.sha256(f"{APP}/{user}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % partitions


def fill(servers, database, partitions):
    """Inserts the users and the conversations of the small database of bench/run."""
    script = (ROOT / "bench" / "fill.sql").read_text()
    values = {"app": APP, "letter": "w", "first_user": 0, "last_user": WRITERS - 1, "peers": WRITER_PEERS}
    settings = [f"\\set {name} {value}" for name, value in values.items()]
    for number in range(partitions):
        hashed = f"('x' || substr(encode(sha256(convert_to('{APP}/' || user_id, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint"
        where = f"{hashed} % {partitions} = {number}" if partitions > 1 else "TRUE"
        schema = f"SET search_path = {schema_of(number, partitions)};"
        servers.feed(database, "\n".join([*settings, f"\\set where {quoted(where)}", schema, script]))
        servers.query(database, *(f"ANALYZE {schema_of(number, partitions)}.{table}" for table in ("users", "conversations")))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def schema_of(number, partitions):
    return f"partition_{number}" if partitions > 1 else "public"


class Node(Postgres):
    """A server that is reached over TCP, and that can be killed and started again."""

    def __init__(self, programs, processes, name, **settings):
        super().__init__(programs, processes, name=name, port=free_port(), **settings)
        self.address = f"127.0.0.1:{self.port}"

    def url(self, database):
        return f"postgres://earmark@{self.address}/{database}?sslmode=disable"

    def kill(self):
        """Kills all processes of the server, as a failure of its machine would."""
        pid = self.child.pid
        os.kill(pid, signal.SIGSTOP)  # the postmaster must not start another process meanwhile
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [pid, *map(int, children)]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.processes.stop(self.child)


class Cluster:
    """A coordinator and workers on this machine. Statements go to the coordinator."""

    is_local = True

    def __init__(self, programs, processes, workers):
        self.programs, self.processes = programs, processes
        self.coordinator = Node(programs, processes, "coordinator", **CITUS)
        self.workers = [self.new_worker(nr + 1) for nr in range(workers)]

    def new_worker(self, number):
        return Node(self.programs, self.processes, f"worker{number}", **CITUS)

    @property
    def nodes(self):
        return [self.coordinator, *self.workers]

    def start(self):
        folder = Path(run([Path(self.programs["postgres"]).parent / "pg_config", "--pkglibdir"]))
        if not (folder / "citus.so").exists():
            raise Failed(f"Citus is not installed in {folder}; install its packages for this PostgreSQL, or name nodes with --url")
        for node in self.nodes:
            node.start()

    def create(self, database, workers):
        """Creates a database on the coordinator and the first `workers` workers, with Citus in it."""
        for node in [self.coordinator, *self.workers[:workers]]:
            self.create_on(node, database)
        host, port = self.coordinator.address.split(":")
        self.query(database, f"SELECT citus_set_coordinator_host('{host}', {port})")
        for worker in self.workers[:workers]:
            self.add(database, worker)

    def create_on(self, node, database):
        node.query("postgres", "SET citus.enable_create_database_propagation = off", f"CREATE DATABASE {database}")
        node.query(database, "CREATE EXTENSION citus")

    def add(self, database, worker):
        host, port = worker.address.split(":")
        self.query(database, f"SELECT citus_add_node('{host}', {port})")

    def url(self, database):
        return self.coordinator.url(database)

    def query(self, database, *sql):
        return self.coordinator.query(database, *sql)

    def feed(self, database, script):
        return self.coordinator.feed(database, script)

    def node_at(self, address):
        return next(node for node in self.nodes if node.address == address)

    def version(self, database):
        return self.query(database, "SELECT citus_version()").split(" on ")[0]

    def remove(self):
        for node in self.nodes:
            node.remove()


class Given:
    """A cluster of others. It has one database, and only SQL reaches its servers."""

    is_local = False
    version = Cluster.version

    def __init__(self, programs, url):
        self.programs, self.given = programs, url

    def start(self):
        pass

    def create(self, database, workers):
        self.query(database, "CREATE EXTENSION IF NOT EXISTS citus")

    def url(self, database):
        return self.given

    def psql(self):
        return [self.programs["psql"], "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1",
                "--dbname", self.given]

    def query(self, database, *sql):
        return run([*self.psql(), *(part for text in sql for part in ("--command", text))])

    def feed(self, database, script):
        return run(self.psql(), input=script)

    def remove(self):
        pass


def places(servers, database):
    """The address of each partition's node, by partition number."""
    rows = servers.query(database, "SELECT table_name, nodename || ':' || nodeport FROM citus_shards "
                                   r"WHERE table_name::text ~ '^partition_\d+\.users$'")
    found = (row.split("|") for row in rows.splitlines())
    return {int(re.search(r"\d+", table).group()): address for table, address in found}
