"""The processes of a benchmark: a private PostgreSQL, the service and the delay between them, and their processor time."""

import ctypes
import glob
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "bench"
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "optimized"
APP = 1400000001
ADMIN = "administrator"

# As in production: an acknowledged write survives a power failure.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class Failed(Exception):
    """The run does not count. The text gives the reason."""


def needed_programs(*names):
    """The paths of the named programs, or of all programs that a benchmark needs. Fails if one is missing."""
    names = names or ("initdb", "postgres", "psql", "pgbench", "wrk", "cargo")
    folders = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin")
    folders.sort(key=lambda folder: int(re.search(r"(\d+)", folder).group(1)), reverse=True)
    if given := os.environ.get("EARMARK_PG_BIN"):
        folders = [given]
    search = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    found = {name: shutil.which(name, path=search) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = "Debian's packages are postgresql (15 or newer), postgresql-contrib and wrk"
        raise Failed(f"not installed: {', '.join(missing)}; {packages}, or set EARMARK_PG_BIN")
    version = run([found["postgres"], "--version"])
    if int(re.search(r"(\d+)", version).group(1)) < 15:
        raise Failed(f"{found['postgres']} is {version}, but must be 15 or newer; set EARMARK_PG_BIN")
    return found


def run(command, **more):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:3]))} … failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout.strip()


def end_with_us(stop_signal):
    """Runs in a child process. Makes the kernel send a signal to it when its parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(1, stop_signal) if hasattr(libc, "prctl") else None


class Processes:
    """Child processes. They are stopped in reverse order."""

    def __init__(self):
        self.started = []

    def start(self, command, stop_signal=signal.SIGTERM, **more):
        child = subprocess.Popen(
            list(map(str, command)), stdin=more.pop("stdin", subprocess.DEVNULL), start_new_session=True,
            preexec_fn=end_with_us(signal.SIGKILL if stop_signal == signal.SIGTERM else stop_signal), **more,
        )
        self.started.append((child, stop_signal))
        return child

    def stop(self, child):
        for entry in self.started[:]:
            if entry[0] is child:
                self.started.remove(entry)
                end(*entry)

    def stop_all(self):
        while self.started:
            end(*self.started.pop())


def end(child, stop_signal):
    if child.poll() is None:
        child.send_signal(stop_signal)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            print(f"process {child.pid} ({os.path.basename(child.args[0])}) did not stop within 15 seconds: killed", flush=True)
            child.kill()
            child.wait()


class Postgres:
    """A private PostgreSQL with a temporary data folder. It listens on a socket, and with a port also on the loopback address."""

    def __init__(self, programs, processes, name="postgres", port=None, **more_settings):
        self.programs = programs
        self.processes = processes
        self.name = name
        self.port = port
        self.more_settings = more_settings
        self.data = FOLDER / f"data-{name}"
        self.log = FOLDER / f"{name}.log"
        self.sockets = tempfile.mkdtemp(prefix="earmark-bench-")
        self.owner = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.child = None

    def start(self):
        self.create()
        self.launch()
        for name, value in DURABLE.items():
            if self.query("postgres", f"SHOW {name}") != value:
                raise Failed(f"PostgreSQL runs without {name} = {value}")

    def create(self):
        """Creates the data folder with its settings."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self.data.mkdir(parents=True)
        self.data.chmod(0o700)
        if self.owner:
            shutil.chown(self.data, "postgres", "postgres")
            shutil.chown(self.sockets, "postgres", "postgres")
        initdb = [
            self.programs["initdb"], "--pgdata", self.data, "--username", "earmark", "--auth-local", "trust",
            "--auth-host", "reject" if self.port is None else "trust", "--encoding", "UTF8", "--locale", "C", "--data-checksums",
        ]
        run(initdb, cwd=self.data, **self.owner)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        settings = DURABLE | {
            "listen_addresses": "" if self.port is None else "127.0.0.1",
            "unix_socket_directories": self.sockets,
            "unix_socket_permissions": "0700",
            "max_connections": "500",
            "shared_buffers": f"{min(memory // 4, 4096)}MB",
            "max_wal_size": "8GB",
            "checkpoint_timeout": "15min",
        } | self.more_settings
        if self.port is not None:
            settings["port"] = str(self.port)
        library = Path(self.programs["postgres"]).resolve().parent.parent / "lib" / "pg_stat_statements.so"
        self.has_statements = library.exists() and "shared_preload_libraries" not in self.more_settings
        if self.has_statements:
            # Off during the measured runs. `look_into` turns it on.
            settings |= {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "none"}
        self.settings = {key: value for key, value in settings.items() if not key.startswith(("unix", "listen"))}
        with open(self.data / "postgresql.conf", "a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())

    def launch(self):
        """Starts the server on its data folder, and waits until it answers."""
        with open(self.log, "ab") as log:
            self.child = self.processes.start(
                [self.programs["postgres"], "-D", self.data], stop_signal=signal.SIGINT, cwd=self.data, stdout=log, stderr=log,
                **self.owner,
            )
        for _ in range(300):
            if self.child.poll() is not None:
                raise Failed(f"PostgreSQL ended; see {self.log}")
            if subprocess.run(self.psql("postgres", "SELECT 1"), capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise Failed(f"PostgreSQL does not answer after 30 seconds; see {self.log}")

    def remove(self):
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def psql(self, database, *sql):
        commands = [part for text in sql for part in ("--command", text)]
        port = [] if self.port is None else ["--port", str(self.port)]
        return [self.programs["psql"], "--host", self.sockets, *port, "--username", "earmark", "--no-psqlrc", "--quiet",
                "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--dbname", database, *commands]

    def query(self, database, *sql):
        return run(self.psql(database, *sql))

    def feed(self, database, script):
        """Runs a psql script."""
        return run(self.psql(database), input=script)

    def url(self, database, sockets=None):
        return f"postgres://earmark@localhost/{database}?host={sockets or self.sockets}"

    def version(self):
        return run([self.programs["postgres"], "--version"])

    def has_huge_pages(self):
        """Whether shared_buffers are in huge pages. They are if the machine has reserved enough of them."""
        return "anon_hugepage" in Path(f"/proc/{self.child.pid}/maps").read_text()

    def cpu_seconds(self):
        """Processor time of the server and all its processes, ended ones included."""
        pid = self.child.pid
        total = cpu_seconds(pid, ended_children=True)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += cpu_seconds(child)
        return total


class Earmark:
    """The released program, and the key to call it with."""

    def __init__(self, processes, postgres):
        self.processes = processes
        self.postgres = postgres
        self.binary = BUILT / "earmark"
        self.key = secrets.token_hex(32)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("EARMARK_", "PG"))}

    def build(self, programs):
        if not self.binary.exists():
            print("building the service …", flush=True)
            command = [programs["cargo"], "build", "--profile", "optimized", "--locked", "--package", "earmark", "--bin", "earmark"]
            subprocess.run(command, cwd=ROOT, check=True)

    def command(self, database, *arguments):
        environment = self.environment | {
            "EARMARK_DATABASE_URL": self.postgres.url(database), "EARMARK_SECRET_KEY": self.key,
        }
        return run([self.binary, *arguments], env=environment)

    def create(self, database, partitions=1):
        self.command(database, "migrate", *(["--partitions", partitions] if partitions > 1 else []))
        self.command(database, "app", "create", APP, "--directory", "open", "--limit", "calls-per-second=0")

    def path(self, command, database="small"):
        self.signature = getattr(self, "signature", None) or self.command(database, "sig", APP)
        return (f"/v4/recentcontact/{command}?sdkappid={APP}&identifier={ADMIN}&usersig={self.signature}"
                "&random=99999999&contenttype=json")

    def serve(self, name, database, *arguments, sockets=None):
        """Starts the service. It connects to PostgreSQL through the socket in the folder `sockets`, if one is named."""
        url = self.postgres.url(database, sockets) if sockets else self.postgres.url(database)
        api, admin = free_port(), free_port()
        environment = self.environment | {"EARMARK_DATABASE_URL": url}
        with open(FOLDER / f"serve-{name}.log", "wb") as log:
            child = self.processes.start(
                [self.binary, "serve", "--listen", f"127.0.0.1:{api}", "--admin-listen", f"127.0.0.1:{admin}", *arguments],
                env=environment, stdout=log, stderr=log,
            )
        for _ in range(100):
            if child.poll() is not None:
                raise Failed(f"the service ended; see {FOLDER}/serve-{name}.log")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return Serving(child, f"http://127.0.0.1:{api}", f"127.0.0.1:{admin}")
            except OSError:
                time.sleep(0.1)
        raise Failed(f"the service is not ready after 10 seconds; see {FOLDER}/serve-{name}.log")


class Delay:
    """A proxy in front of PostgreSQL that makes every round trip take longer."""

    def __init__(self, processes, postgres):
        self.processes = processes
        self.postgres = postgres
        self.binary = BUILT / "examples" / "delay"
        self.sockets = tempfile.mkdtemp(prefix="earmark-delay-")
        self.child = None

    def build(self, programs):
        if not self.binary.exists():
            print("building the delay …", flush=True)
            command = [programs["cargo"], "build", "--profile", "optimized", "--locked", "--package", "earmark", "--example", "delay"]
            subprocess.run(command, cwd=ROOT, check=True)

    def start(self, round_trip_microseconds):
        name = ".s.PGSQL.5432"
        here, there = Path(self.sockets, name), Path(self.postgres.sockets, name)
        with open(FOLDER / "delay.log", "wb") as log:
            self.child = self.processes.start([self.binary, here, there, round_trip_microseconds // 2], stdout=log, stderr=log)
        for _ in range(100):
            if here.exists():
                self.prioritize()
                return
            time.sleep(0.1)
        raise Failed(f"the delay did not start; see {FOLDER}/delay.log")

    def prioritize(self):
        """Gives the proxy real-time priority, so that it runs as soon as bytes are due. Otherwise it would wait for other
        processes, and the delay would depend on how busy a contender keeps the processors."""
        try:
            for thread in Path(f"/proc/{self.child.pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            print("the delay may be too long: real-time priority needs root or CAP_SYS_NICE", flush=True)

    def remove(self):
        shutil.rmtree(self.sockets, ignore_errors=True)

    def cpu_seconds(self):
        return cpu_seconds(self.child.pid)


class Serving:
    """A running service."""

    def __init__(self, child, url, admin):
        self.child = child
        self.url = url
        self.admin = admin

    def cpu_seconds(self):
        return cpu_seconds(self.child.pid)

    def commits(self):
        """Number of write commits so far, from the service's metrics."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=2) as answer:
            return int(re.search(r"^earmark_commit_requests_count (\d+)", answer.read().decode(), re.MULTILINE).group(1))

    def memory_mib(self):
        """Resident memory, now and at most so far."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1024 for name in ("VmRSS", "VmHWM")]


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def cpu_seconds(pid, ended_children=False):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    if ended_children:
        ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")


def disk_flushes_per_second(seconds=1.0):
    """How many writes of 8 KiB per second the disk makes durable, one after the other. A commit waits for such a write."""
    block, path = os.urandom(8192), FOLDER / "flush-probe"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, bytes(16 * 2**20), 0)
        os.fsync(file)
        count, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            os.pwrite(file, block, count % 2048 * 8192)
            os.fdatasync(file)
            count += 1
        return count / (time.monotonic() - start)
    finally:
        os.close(file)
        path.unlink()


def describe(postgres, binary):
    """The machine and the versions."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cores": os.cpu_count(),
        "cpu": model.group(1) if model else platform.machine(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "postgres": postgres.version(),
        "postgres_settings": postgres.settings,
        "huge_pages": postgres.has_huge_pages(),
        "disk_flushes_per_second": round(disk_flushes_per_second()),
        "load_average_before": round(os.getloadavg()[0], 2),
        "earmark": git.stdout.strip(),
        "binary_built": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(binary.stat().st_mtime)),
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")
