"""Sends load at a constant rate with the program `constant-rate`, and compares what the service acknowledged with the database."""

import json
import os
import subprocess

from load import WRITER_PEERS, WRITERS
from machine import BUILT, FOLDER, Failed

# The custom mark and the standard mark that fill.sql stores.
FILLED = ("", 1)


class Driver:
    """Starts the program. Each start has another stamp, which is part of every value that it writes."""

    def __init__(self, processes, earmark):
        self.binary = BUILT / "examples" / "constant-rate"
        if not (self.binary.exists() and earmark.binary.exists()):
            raise Failed("the service or its load is not built; `just bench soak` and `just bench citus` build both")
        self.processes, self.earmark = processes, earmark
        self.stamp = 0

    def start(self, service, *, seconds, rate, connections, slice_seconds=1, users=WRITERS, peers=WRITER_PEERS, only=()):
        """Starts a load on the users 0 to `users` - 1, or on those in `only`. With the rate 0, each connection sends its next
        request once the last one is answered."""
        self.stamp += 1
        ledger = FOLDER / f"ledger-{self.stamp}"
        plan = {
            "address": service.url.removeprefix("http://"), "mark_path": self.earmark.path("mark_contact"),
            "page_path": self.earmark.path("get_contact_group"), "rate": rate, "connections": connections, "seconds": seconds,
            "slice_seconds": slice_seconds, "stamp": self.stamp, "users": users, "peers": peers, "only": list(only),
            "ledger": os.fspath(ledger),
        }
        child = self.processes.start([self.binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        child.stdin.write(json.dumps(plan))
        child.stdin.close()
        return Load(self.processes, child, self.stamp, ledger, {"rate": rate, "connections": connections, "seconds": seconds})


class Load:
    """A load that was started."""

    def __init__(self, processes, child, stamp, ledger, plan):
        self.processes, self.child, self.stamp, self.ledger, self.plan = processes, child, stamp, ledger, plan
        self.seen = []

    def slices(self):
        """The figures of each time slice, once it is over. Ends with the load."""
        for line in self.child.stdout:
            self.seen.append(json.loads(line))
            yield self.seen[-1]
        if self.child.wait() != 0:
            raise Failed("the load ended with an error")
        self.processes.stop(self.child)

    def total(self):
        """The sums of all slices."""
        codes = {}
        for one in self.seen:
            for code, times in one["answers"].items():
                codes[code] = codes.get(code, 0) + times["count"]
        return self.plan | {"codes": codes, "broken": sum(one["broken"] for one in self.seen),
                            "stale": sum(one["stale"] for one in self.seen)}


class Ledger:
    """The writes of several loads, by user and conversation."""

    def __init__(self):
        self.users = {}

    def add(self, load):
        for line in load.ledger.read_text().splitlines():
            self.enter(load.stamp, json.loads(line))
        load.ledger.unlink()

    def enter(self, stamp, line):
        """Adds one user's writes of a load."""
        user = self.users.setdefault(line["user"], {"acknowledged": 0, "in_doubt": 0, "conversations": {}})
        user["acknowledged"] += line["acknowledged"]
        user["in_doubt"] += line["in_doubt"]
        for peer, acknowledged, in_doubt in line["conversations"]:
            last, maybe = user["conversations"].get(peer, (None, []))
            if acknowledged is not None:
                last = (stamp, acknowledged)
            user["conversations"][peer] = (last, maybe + [(stamp, nr) for nr in in_doubt])

    def counts(self):
        """How many writes were acknowledged, and how many the service may or may not have made."""
        return tuple(sum(user[name] for user in self.users.values()) for name in ("acknowledged", "in_doubt"))

    def differences(self, stored):
        """Compares with `stored`: the text and the mask of each conversation, by user and peer. Returns a sentence for each
        difference."""
        wrong = []
        for number, user in self.users.items():
            for peer, (last, maybe) in user["conversations"].items():
                possible = dict([written(*last) if last else FILLED, *(written(*one) for one in maybe)])
                key = user_name(number), peer_name(peer)
                text, mask = stored.get(key, (None, None))
                if text is None or possible.get(text) != mask:
                    wrong.append(f"{', '.join(key)}: the database has {text!r} and {mask}, expected one of {possible}")
        return wrong


def user_name(number):
    return f"w{1000000 + number}"


def peer_name(number):
    return f"p{1000000 + number}"


def written(stamp, nr):
    """The custom mark and the standard mark of a conversation of fill.sql after a write of `constant-rate`."""
    return f"{stamp}-{nr}", 1 | nr % 256 << 40
