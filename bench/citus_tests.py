"""The scenario `tests` of `bench/citus`: the tests of the API, each with a database of its own on the cluster."""

import os
import re
import subprocess

from citus_faults import set_on
from machine import ROOT, Failed
from stage import say

# The log has each statement that a worker sends to another server, or to itself over another connection, with the statement of the
# client for which it does so. The prefix says which processes serve clients.
LOGGING = ["SET citus.log_remote_commands = on", "SET log_min_messages = notice", "SET log_min_error_statement = notice",
           "SET log_line_prefix = '%m [%p] %b '"]


def tests(stage):
    """Runs .ci/partitions on the cluster. The statements go straight to the workers, and these must send nothing anywhere."""
    cluster = stage.servers
    addresses = ",".join(worker.address for worker in cluster.workers)
    for worker in cluster.workers:
        set_on(worker, *LOGGING)
    ends = {worker: worker.log.stat().st_size for worker in cluster.workers}
    say(f"the tests of the API with {stage.partitions} partitions on {addresses}")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("EARMARK_", "PG"))}
    done = subprocess.run(
        [ROOT / ".ci" / "partitions", str(stage.partitions)], stdout=subprocess.PIPE, text=True,
        env=environment | {"TEST_DATABASE_URL": cluster.url("postgres"), "EARMARK_TEST_CITUS_WORKERS": addresses},
    )
    sent = {statement for worker in cluster.workers for statement in sent_for_clients(worker, ends[worker])}
    found = re.search(r"^test result: .* (\d+) passed; (\d+) failed;", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found or found.group(1) == "0":
        raise Failed(f"tests of the API failed:\n{done.stdout[-8000:]}")
    if sent:
        raise Failed(f"the workers send something for {len(sent)} statements:\n" + "\n".join(sorted(sent)))
    return {"passed": int(found.group(1)), "statements_sent_by_workers": 0}


def sent_for_clients(node, end):
    """The statements of clients for which a server has sent something, since its log had this size."""
    with open(node.log, encoding="utf-8", errors="replace") as log:
        log.seek(end)
        lines = re.split(r"\n(?=\d{4}-\d\d-\d\d )", log.read())
    for nr, line in enumerate(lines):
        if "client backend NOTICE:  issuing " in line:
            of_client = (other for other in lines[nr + 1 : nr + 4] if " STATEMENT: " in other)
            yield " ".join(next(of_client, line).split("STATEMENT: ")[-1].split())[:300]


SCENARIOS = {"tests": tests}
