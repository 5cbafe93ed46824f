"""What the scenarios of `bench/citus` share: the servers, the service, loads, and the check of all writes so far."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from cluster import fill, partition_of, places, schema_of
from driver import Driver, Ledger, user_name
from load import WRITERS
from machine import Earmark, Failed

DATABASE = "small"


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Stage:
    """A database with K partitions on Citus, and a service on it."""

    def __init__(self, given, programs, processes, servers):
        self.given, self.programs, self.processes, self.servers = given, programs, processes, servers
        self.partitions = given.partitions
        self.earmark = Earmark(processes, servers)
        self.driver = None
        self.ledger = Ledger()
        self.service = None
        self.more_servers = []
        if not servers.is_local:
            self.earmark.environment |= {key: value for key, value in os.environ.items() if key.startswith("PG")}

    def build(self):
        self.driver = Driver(self.processes, self.earmark)
        say("creating the database")
        self.servers.create(DATABASE, self.given.workers)
        self.earmark.create(DATABASE, self.partitions)
        fill(self.servers, DATABASE, self.partitions)

    def serve(self, *arguments):
        """Starts the service anew."""
        self.stop_service()
        self.service = self.earmark.serve("citus", DATABASE, *arguments)
        return self.service

    def stop_service(self):
        if self.service:
            self.processes.stop(self.service.child)
            self.service = None

    def places(self):
        return places(self.servers, DATABASE)

    def users_of(self, partitions):
        """The numbers of the users in these partitions."""
        return [nr for nr in range(WRITERS) if partition_of(user_name(nr), self.partitions) in partitions]

    def load(self, partitions, seconds, rate=None):
        """Starts a load on the users in these partitions."""
        only = self.users_of(partitions)
        return self.driver.start(self.service, seconds=seconds, rate=self.given.rate if rate is None else rate,
                                 connections=min(32, len(only)), only=only)

    def revisions(self):
        """The sum of the revisions of the loads' users. Each write raises one of them by one."""
        sums = (self.servers.query(DATABASE, f"SELECT sum(revision) FROM {schema_of(number, self.partitions)}.users "
                                             "WHERE user_id LIKE 'w%'") for number in range(self.partitions))
        return sum(int(text or 0) for text in sums)

    def stored(self):
        """The text and the mask of each conversation of the loads' users."""
        found = {}
        for number in range(self.partitions):
            rows = self.servers.query(DATABASE, "SELECT user_id, peer_id, custom_mark, standard_mark FROM "
                                                f"{schema_of(number, self.partitions)}.conversations WHERE user_id LIKE 'w%'")
            for user, peer, text, mask in (row.split("|") for row in rows.splitlines()):
                if (user, peer) in found:
                    raise Failed(f"the conversation of {user} with {peer} is in two partitions")
                found[user, peer] = text, int(mask)
        return found

    def check(self, loads, revisions_before):
        """Compares the database with the answers to all loads so far, and the revisions with those to these loads. Fails if a
        write is lost. Returns what the answers were."""
        before = self.ledger.counts()
        for load in loads:
            self.ledger.add(load)
        acknowledged, in_doubt = (now - then for now, then in zip(self.ledger.counts(), before))
        wrong = self.ledger.differences(self.stored())
        made = self.revisions() - revisions_before
        if not acknowledged <= made <= acknowledged + in_doubt:
            wrong.append(f"the revisions have grown by {made:,}, but {acknowledged:,} writes were acknowledged, and {in_doubt:,} are in doubt")
        if wrong:
            raise Failed(f"{len(wrong)} writes are lost or wrong:\n" + "\n".join(wrong[:20]))
        self.verify()
        codes = {}
        for total in (load.total() for load in loads):
            if total["stale"]:
                raise Failed(f"{total['stale']} reads lacked a write that was acknowledged before")
            for code, count in total["codes"].items():
                codes[code] = codes.get(code, 0) + count
        return {"acknowledged": acknowledged, "lost": 0, "in_doubt": in_doubt, "in_doubt_and_written": made - acknowledged, "codes": codes}

    def verify(self):
        done = subprocess.run([self.earmark.binary, "verify"], capture_output=True, text=True,
                              env=self.earmark.environment | {"EARMARK_DATABASE_URL": self.servers.url(DATABASE)})
        if done.returncode != 0:
            raise Failed(f"earmark verify: {(done.stdout + done.stderr)[-2000:]}")

    def mark(self, user, peer, text):
        """Marks a conversation, and returns the code of the answer."""
        body = {"From_Account": user, "MarkItem": [{"OptType": 3, "ContactItem": {"Type": 1, "To_Account": peer},
                                                    "SetMark": [40], "CustomMark": text}]}
        answer = self.call("mark_contact", body)
        return answer["ErrorCode"] or answer["ResultItem"][0]["ResultCode"]

    def call(self, command, body):
        request = urllib.request.Request(self.service.url + self.earmark.path(command), json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.load(answer)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.service.admin}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False

    def run_to_end(self, loads):
        """Waits for loads that were started."""
        threads = [threading.Thread(target=lambda load=load: list(load.slices())) for load in loads]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Probe(threading.Thread):
    """Marks one user of a partition again and again, and notes when that succeeded."""

    PAUSE_SECONDS = 0.02

    def __init__(self, stage, partition):
        super().__init__(daemon=True)
        self.stage = stage
        self.user = next(name for name in map("q{}".format, range(10_000)) if partition_of(name, stage.partitions) == partition)
        self.answers, self.is_over = [], threading.Event()

    def run(self):
        nr = 0
        while not self.is_over.wait(self.PAUSE_SECONDS):
            nr += 1
            try:
                code = self.stage.mark(self.user, "p", f"probe-{nr}")
            except (OSError, http.client.HTTPException) as problem:
                code = repr(problem)
            self.answers.append((time.monotonic(), code))

    def stop(self):
        self.is_over.set()
        self.join()

    def healthy_at(self):
        """When the first of the marks was answered behind which none failed, or None if the last one failed."""
        healthy = None
        for at, code in self.answers:
            healthy = (healthy or at) if code == 0 else None
        return healthy


def latency(loads, first=0, last=10**9):
    """The latencies of the slices that end from second `first` to second `last`."""
    seen = [one["latency"] for load in loads for one in load.seen if first <= one["at"] <= last and one["latency"]["count"]]
    if not seen:
        return None
    return {"p99_ms": round(max(one["p99_us"] for one in seen) / 1000, 1), "longest_ms": round(max(one["max_us"] for one in seen) / 1000, 1)}
