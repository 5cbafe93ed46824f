#!/usr/bin/env python3
"""Takes each way in of README.md and docs/operations.md, and ends each with one mark that is made and read back.

    ways_in.py CHART BASE            what `helm template` and `kubectl kustomize` print
    ways_in.py CHART BASE IMAGE      only these two, in containers of the image

Uses target/debug/earmark, and a PostgreSQL of its own. There is no cluster here: for Helm and kustomize, the program gets the
arguments, the environment and the Secret's file that the manifests give to it, the Job first. With an image, its containers are
confined as the manifests say. There is no systemd that runs units either: the program gets what the unit gives to it.
`.ci/run containers` tries the containers, and Compose.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / ".ci")]

import yaml
from check_deploy import environment, one
from machine import APP, FOLDER, Failed, Postgres, Processes, free_port, needed_programs, run

PROGRAM = ROOT / "target" / "debug" / "earmark"
# The user of the image, which owns nothing on this machine.
UNPRIVILEGED = {"user": 65532, "group": 65532, "extra_groups": []}


class Stand:
    """A folder, PostgreSQL, and what runs now."""

    def __init__(self, processes, folder):
        self.processes = processes
        self.folder = folder
        self.postgres = Postgres(needed_programs("initdb", "postgres", "psql"), processes, port=free_port())
        # Nothing of the machine's own settings.
        self.plain = {key: value for key, value in os.environ.items() if not key.startswith(("EARMARK_", "PG"))}

    def database(self, name):
        """An empty database, as an operator gets it, and the file with its URL."""
        self.postgres.query("postgres", f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        file = self.folder / f"{name}-url"
        file.write_text(f"postgres://earmark@127.0.0.1:{self.postgres.port}/{name}\n")
        # In Kubernetes, the Secret's files are readable for every user of the pod.
        file.chmod(0o444)
        return file

    def earmark(self, environment, *arguments, program=(PROGRAM,)):
        return run([*program, *arguments], env=self.plain | environment)

    def serve(self, name, environment, arguments, ready, program=(PROGRAM,), **more):
        """Starts the service, and waits until it is ready."""
        log = self.folder / f"{name}.log"
        with open(log, "wb") as output:
            child = self.processes.start([*program, *arguments], env=self.plain | environment, stdout=output, stderr=output, **more)
        for _ in range(150):
            try:
                with urllib.request.urlopen(f"http://{ready}/readyz", timeout=2):
                    return child
            except OSError:
                time.sleep(0.1)
            if child.poll() is not None:
                break
        raise Failed(f"{name}: the service is not ready\n{log.read_text()[-1500:]}")

    def first_mark(self, name, address, environment):
        signature = self.earmark(environment, "sig", APP)
        run([ROOT / ".ci/first-mark", f"http://{address}", signature])
        print(f"{name}: one mark, made and read back", flush=True)


def dev(stand):
    """README: `cargo run --release -- dev`."""
    address, data = f"127.0.0.1:{free_port()}", stand.folder / "data"
    child = stand.serve("dev", {}, ["dev", "--data", data, "--listen", address], address)
    stand.first_mark("dev", address, {"EARMARK_SECRET_KEY_FILE": str(data / "secret-key")})
    stand.processes.stop(child)


def own_postgresql(stand):
    """README: migrate, check, create the app, serve."""
    url = {"EARMARK_DATABASE_URL": stand.database("own").read_text().strip()}
    api, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    stand.earmark(url, "migrate")
    stand.earmark(url, "doctor")
    stand.earmark(url, "app", "create", APP)
    child = stand.serve("own", url, ["serve", "--listen", api, "--admin-listen", admin], admin)
    stand.first_mark("your own PostgreSQL", api, url)
    stand.processes.stop(child)


def systemd(stand):
    """The unit's settings, with a credential, and a user without rights."""
    unit = (ROOT / "deploy/systemd/earmark.service").read_text()
    lines = [line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    values = {}
    for key, value in lines:
        values.setdefault(key, []).append(value)
    name, source = values["LoadCredential"][0].split(":")
    credentials = stand.folder / "credentials"
    credentials.mkdir()
    shutil.copy(stand.database("systemd"), credentials / name)
    setting, path = values["Environment"][0].split("=")
    if (source, path) != ("/etc/earmark/database-url", f"/run/credentials/%n/{name}"):
        raise Failed(f"the unit's credential is {source}, and its setting {path}")
    given = {setting: str(credentials / name)}
    # What /etc/earmark/earmark.env has, with a free port.
    api, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    given |= {"EARMARK_LISTEN": api, "EARMARK_ADMIN_LISTEN": admin, "EARMARK_LOG_FORMAT": "json"}
    before, command = (values[key][0].split() for key in ("ExecStartPre", "ExecStart"))
    stand.earmark(given, *before[1:])
    stand.earmark(given, "app", "create", APP)
    child = stand.serve("systemd", given, command[1:], admin, umask=int(values["UMask"][0], 8), **without_privileges())
    stand.first_mark("systemd's unit", api, given)
    stand.processes.stop(child)


def manifests(stand, name, path, image=None):
    """The Job, then the Deployment."""
    documents = list(yaml.safe_load_all(Path(path).read_text()))
    job, deployment = one(documents, "Job"), one(documents, "Deployment")
    given = environment(documents, deployment)
    secret = stand.database(name)
    ports = {}
    for key, value in given.items():
        if key.endswith("_LISTEN"):
            ports[key] = free_port()
            given[key] = re.sub(r":\d+$", f":{ports[key]}", value)
        if value.startswith("/run/secrets/earmark/") and not image:
            given[key] = str(secret)
    migrate, serve = (workload["spec"]["template"]["spec"]["containers"][0] for workload in (job, deployment))
    if image:
        before, program = (in_container(image, each, given, secret) for each in (migrate, serve))
        given, more = {}, {"program": program}
    else:
        before, more = (PROGRAM,), without_privileges()
    stand.earmark(given, *migrate["args"], program=before)
    outside = {"EARMARK_DATABASE_URL_FILE": str(secret)}
    stand.earmark(outside, "app", "create", APP)
    child = stand.serve(name, given, serve["args"], f"127.0.0.1:{ports['EARMARK_ADMIN_LISTEN']}", **more)
    kind = "containers" if image else "manifests"
    stand.first_mark(f"the {name}'s {kind}", f"127.0.0.1:{ports['EARMARK_LISTEN']}", outside)
    stand.processes.stop(child)


def in_container(image, container, given, secret):
    """The command that runs a program in such a container. OpenShift chooses a user that the image does not know."""
    limits, memory = container["securityContext"], container["resources"]["limits"]["memory"]
    confined = ["--memory", memory.removesuffix("Mi") + "m", *(f"--cap-drop={name}" for name in limits["capabilities"]["drop"])]
    confined += ["--read-only"] if limits["readOnlyRootFilesystem"] else []
    confined += [] if limits["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]
    # The image's own file is replaced, not the folder of all secrets.
    mounts = [f"--volume={secret}:{given['EARMARK_DATABASE_URL_FILE']}:ro"]
    return ["docker", "run", "--rm", "--network=host", "--user=1000650000:0", *confined, *mounts,
            *(f"--env={key}={value}" for key, value in given.items()), image]


def without_privileges():
    return UNPRIVILEGED if os.geteuid() == 0 else {}


def work(processes, chart, base, image=None):
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="earmark-ways-"))
    folder.chmod(0o755)
    stand = Stand(processes, folder)
    try:
        if not image:
            dev(stand)
        stand.postgres.start()
        if not image:
            own_postgresql(stand)
            systemd(stand)
        manifests(stand, "chart", chart, image)
        manifests(stand, "base", base, image)
    finally:
        processes.stop_all()
        stand.postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    try:
        work(Processes(), *sys.argv[1:])
    except Failed as problem:
        print(f"ways in: {problem}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
