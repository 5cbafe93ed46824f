#!/usr/bin/env python3
"""Lets Prometheus scrape the service and PostgreSQL, and evaluates all queries of the rules, the alerts and the dashboard.

Starts PostgreSQL with postgres_exporter, target/debug/earmark and Prometheus on free ports, and stops them at the end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / ".ci")]

import yaml
from check_deploy import expressions
from machine import ADMIN, APP, FOLDER, Earmark, Failed, Postgres, Processes, free_port, needed_programs

TIMEOUT_S = 60
# Queries that have no result while the service has no internal errors.
EMPTY_WITHOUT_ERRORS = {"earmark.json: Failed by us, by call"}


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


class Prometheus:
    """A Prometheus that scrapes each job's target every second."""

    def __init__(self, processes, folder, targets):
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ROOT / "deploy/prometheus" / name) for name in config["rule_files"]]
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.log = folder / "prometheus.log"
        with open(self.log, "wb") as log:
            self.child = processes.start(
                [shutil.which("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def query(self, expression):
        """The result of a query, or None while Prometheus is starting."""
        try:
            return get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["data"]["result"]
        except urllib.error.HTTPError as problem:
            if problem.code == 503:
                return None
            raise Failed(f"{expression}: {problem.read().decode()}") from None
        except OSError:
            return None

    def until(self, what, condition):
        """Waits until a condition holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (result := condition()):
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{what}: timeout after {TIMEOUT_S} s\n{self.log.read_text()[-1500:]}")
            time.sleep(0.2)
        return result


def export_postgres(processes, postgres, folder):
    """Starts postgres_exporter, and returns its address."""
    address = f"127.0.0.1:{free_port()}"
    source = f"user=earmark host={postgres.sockets} dbname=small sslmode=disable"
    # Debian's name, and its own.
    program = shutil.which("prometheus-postgres-exporter") or shutil.which("postgres_exporter")
    with open(folder / "exporter.log", "wb") as log:
        processes.start([program, f"--web.listen-address={address}"], env=os.environ | {"DATA_SOURCE_NAME": source}, stdout=log, stderr=log)
    return address


def call(service, earmark, command, body):
    data = json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(service.url + earmark.path(command), data=data), timeout=10) as answer:
        return json.load(answer)["ErrorCode"]


def some_traffic(service, earmark):
    """Sends marks, an invalid request and a read, so that the metrics of answers exist."""
    item = {"OptType": 1, "ContactItem": {"Type": 1, "To_Account": "user1"}, "SetMark": [0, 63]}
    codes = {call(service, earmark, "mark_contact", {"From_Account": f"user{n}", "MarkItem": [item]}) for n in range(20)}
    codes.add(call(service, earmark, "mark_contact", {"From_Account": "user0", "MarkItem": []}))
    codes.add(call(service, earmark, "get_contact_group", {"From_Account": "user0", "StartIndex": 0}))
    if codes != {0, 51006}:
        raise Failed(f"unexpected codes among {codes}")


def work(processes):
    FOLDER.mkdir(parents=True, exist_ok=True)
    postgres = Postgres(needed_programs("initdb", "postgres", "psql"), processes)
    folder = Path(tempfile.mkdtemp(prefix="earmark-scrape-"))
    try:
        postgres.start()
        earmark = Earmark(processes, postgres)
        earmark.binary = ROOT / "target" / "debug" / "earmark"
        postgres.query("postgres", "CREATE DATABASE small")
        earmark.create("small")
        service = earmark.serve("scrape", "small")
        prometheus = Prometheus(processes, folder, {"earmark": service.admin, "postgres": export_postgres(processes, postgres, folder)})
        prometheus.until("up", lambda: [s["value"][1] for s in prometheus.query("up") or []] == ["1", "1"])

        for where, expression in expressions():
            expression = re.sub(r"\$[a-z]+", ".*", expression.replace("$__rate_interval", "30s"))
            if where.startswith("alerts.yml"):
                if firing := prometheus.query(expression):
                    raise Failed(f"{where} would fire: {firing}")
            elif where in EMPTY_WITHOUT_ERRORS:
                prometheus.query(expression)
            else:  # a rate needs traffic between two scrapes
                prometheus.until(where, lambda: (some_traffic(service, earmark), prometheus.query(expression))[1])

        def rules():
            return [rule for group in get(f"{prometheus.url}/api/v1/rules")["data"]["groups"] for rule in group["rules"]]

        prometheus.until("rules", lambda: all(rule["health"] == "ok" for rule in rules()))
        print(f"Prometheus scrapes the service, {len(list(expressions()))} queries work, {len(rules())} rules are healthy")
    finally:
        processes.stop_all()
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    try:
        work(Processes())
    except Failed as problem:
        print(f"scrape: {problem}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
