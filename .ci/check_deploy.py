#!/usr/bin/env python3
"""Checks that the files in deploy/ agree with the program and with each other.

    check_deploy.py RENDERED…    the manifests that `kubectl kustomize` and `helm template` print

The program is target/debug/earmark. base.yaml and chart.yaml must have the same content. Each manifest must fit Kubernetes'
schemas, which a package contains.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
KUBERNETES = ["1.27", "1.32", "1.37"]
# Variables of the Compose file, which the program does not read.
COMPOSE_OWN = {"EARMARK_DB_PASSWORD", "EARMARK_TAG", "EARMARK_BIND", "EARMARK_PORT", "EARMARK_GRAFANA_PORT", "EARMARK_CITUS_PORT"}
# Settings that a user of the chart cannot set: the chart sets them, or they would put a secret into a manifest, or they name a file
# beside the chart's own settings.
CHART_OWN = {"EARMARK_CONFIG", "EARMARK_LISTEN", "EARMARK_ADMIN_LISTEN", "EARMARK_DATABASE_URL", "EARMARK_DATABASE_URL_FILE", "EARMARK_OPERATOR_TOKEN"}
# Kinds that Kubernetes' schemas do not contain.
FOREIGN = {"ServiceMonitor", "Gateway", "HTTPRoute"}
# The longest `wait` of the native API.
LONG_POLL_S = 60
# What `.ci/release` replaces with the address of the repository.
PLACEHOLDER = "https://earmark.example/"
# Metrics that Prometheus itself adds.
PROMETHEUS_OWN = {"up"}

problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def text(path):
    return (ROOT / path).read_text()


def one(documents, kind, name=None):
    """The only document of this kind."""
    found = [d for d in documents if d["kind"] == kind and name in (None, d["metadata"]["name"])]
    expect(len(found) == 1, f"{kind} {name or ''}: expected one, found {len(found)}")
    return found[0] if found else {}


# --- settings

def settings(commands=("serve", "migrate", "dev", "sig", "healthcheck", "app")):
    """The environment variables that these commands read, with their defaults."""
    shown = ""
    for command in commands:
        shown += subprocess.run([ROOT / "target/debug/earmark", command, "--help"], capture_output=True, text=True, check=True,
                                env={"COLUMNS": "1000"}).stdout
    found = {}
    for place in re.finditer(r"\[env: (EARMARK_\w+)=?[^\]]*\](?:\s*\[default: ([^\]]*)\])?", shown):
        found[place[1]] = place[2]
    return found


def check_settings(known):
    files = [ROOT / name for name in ("docker-compose.yml", ".env.example", "Dockerfile", "README.md", "docs/operations.md")]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    for path in files:
        for name in sorted(set(re.findall(r"\bEARMARK_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))):
            expect(name in known or name in COMPOSE_OWN, f"{path.relative_to(ROOT)}: {name} is not a setting")


# --- Kubernetes

def check_manifests(path, known):
    documents = list(yaml.safe_load_all(Path(path).read_text()))
    for document in documents:
        if document["kind"] in FOREIGN:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except Exception as problem:
                problems.append(f"{path}: {document['kind']}, Kubernetes {version}: {getattr(problem, 'message', problem)}")
    if problems:
        return
    expect(not [d for d in documents if d["kind"] in ("Secret", "StatefulSet")], f"{path}: contains a Secret or a database, which the user must create")

    deployment = one(documents, "Deployment")
    job = one(documents, "Job")
    config = environment(documents, deployment)
    expect(environment(documents, job) == config, f"{path}: the settings of the migrations differ from those of the service")
    for name in config:
        expect(name in known, f"{path}: {name} is not a setting")
    for workload, command in ((deployment, "serve"), (job, "migrate")):
        check_pod(f"{path}: {workload['kind']}", workload["spec"]["template"]["spec"], command, config)

    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    server = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    for name, setting in (("http", "EARMARK_LISTEN"), ("admin", "EARMARK_ADMIN_LISTEN")):
        # `[::]` takes IPv4 as well. A pod of an IPv6-only cluster has no IPv4 address.
        expect(config[setting] == f"[::]:{ports[name]}", f"{path}: {setting} is {config[setting]}, not both families on port {name}, {ports[name]}")
    for probe, asks in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        expect(server[probe]["httpGet"] == {"path": asks, "port": "admin"}, f"{path}: {probe} must request {asks} from the admin port")

    def matches(what, selector):
        expect(selector and selector.items() <= labels.items(), f"{path}: {what} does not select the pods: {selector}")

    matches("the Deployment", deployment["spec"]["selector"]["matchLabels"])
    matches("the PodDisruptionBudget", one(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    for spread in pod["spec"]["topologySpreadConstraints"]:
        expect(spread["matchLabelKeys"] == ["pod-template-hash"], f"{path}: old pods decide where the new ones go")
        matches(f"the spread over {spread['topologyKey']}", spread["labelSelector"]["matchLabels"])
    for service in (d for d in documents if d["kind"] == "Service"):
        matches(f"Service {service['metadata']['name']}", service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            expect(port["targetPort"] in ports, f"{path}: Service {service['metadata']['name']}: the pods have no port {port['targetPort']}")
    expect([p["targetPort"] for p in one(documents, "Service", "earmark")["spec"]["ports"]] == ["http"],
           f"{path}: the API's Service must not expose the admin port")
    expect(one(documents, "Service", "earmark")["spec"].get("ipFamilyPolicy") == "PreferDualStack", f"{path}: the Service has addresses of one family only")
    policy = one(documents, "NetworkPolicy")["spec"]
    matches("the NetworkPolicy", policy["podSelector"]["matchLabels"])
    expect(policy["podSelector"]["matchLabels"].items() <= job["spec"]["template"]["metadata"]["labels"].items(),
           f"{path}: the NetworkPolicy does not select the migrations")
    for rule in policy["ingress"]:
        for port in rule["ports"]:
            expect(port["port"] in ports, f"{path}: the NetworkPolicy: the pods have no port {port['port']}")
            expect(port["port"] != "admin" or rule.get("from"), f"{path}: the NetworkPolicy opens the admin port to all")

    check_dns(path, policy)

    scaler = one(documents, "HorizontalPodAutoscaler")["spec"]
    expect(scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"], f"{path}: the autoscaler does not scale the Deployment")
    expect("replicas" not in deployment["spec"], f"{path}: `replicas` would override the autoscaler")
    # The defaults depend on the node, because the pods have no CPU limit.
    workers, connections = (int(config.get(f"EARMARK_{name}", 0)) for name in ("WORKERS", "DATABASE_CONNECTIONS"))
    expect(0 < 2 * workers <= connections, f"{path}: {workers} workers and {connections} connections: both must be set, with two connections for each worker")
    # A process opens up to 4 connections more. A rolling upgrade runs one pod more than maxReplicas. PostgreSQL's default limit
    # is 100 connections, of which it keeps 3 for superusers.
    expect((connections + 5) * (scaler["maxReplicas"] + 1) <= 97, f"{path}: maxReplicas needs more than 97 connections to PostgreSQL")
    delay = int(config["EARMARK_SHUTDOWN_DELAY_S"])
    shutdown = int(config.get("EARMARK_SHUTDOWN_S", known["EARMARK_SHUTDOWN_S"]))
    expect(delay > 0, f"{path}: EARMARK_SHUTDOWN_DELAY_S is 0, so pods stop while requests still arrive")
    expect(pod["spec"]["terminationGracePeriodSeconds"] > delay + shutdown,
           f"{path}: terminationGracePeriodSeconds is too short, so Kubernetes kills pods before they have finished")

    check_ways_in(path, documents)

    for monitor in (d for d in documents if d["kind"] == "ServiceMonitor"):
        service = one(documents, "Service", "earmark-admin")
        selected = monitor["spec"]["selector"]["matchLabels"]
        expect(selected.items() <= service["metadata"]["labels"].items(), f"{path}: the ServiceMonitor selects no Service")
        expect(service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "earmark", f"{path}: the job must be named earmark")
        for endpoint in monitor["spec"]["endpoints"]:
            expect(endpoint["port"] in [p["name"] for p in service["spec"]["ports"]], f"{path}: no port {endpoint['port']}")


def check_ways_in(path, documents):
    """What leads to the API from outside must lead to it alone, and let long polls and streams live."""
    api = one(documents, "Service", "earmark")
    for ingress in (d for d in documents if d["kind"] == "Ingress"):
        backends = [way["backend"]["service"] for rule in ingress["spec"]["rules"] for way in rule["http"]["paths"]]
        expect(backends == [{"name": "earmark", "port": {"name": "http"}}], f"{path}: the Ingress leads to {backends}")
        notes = ingress["metadata"]["annotations"]
        expect(int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > LONG_POLL_S, f"{path}: the Ingress ends long polls")
        expect(notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "off", f"{path}: the Ingress holds events back")
    for route in (d for d in documents if d["kind"] == "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            ports = [(to["name"], to["port"]) for to in rule["backendRefs"]]
            expect(ports == [("earmark", api["spec"]["ports"][0]["port"])], f"{path}: the HTTPRoute leads to {ports}")
            expect(set(rule["timeouts"].values()) == {"0s"}, f"{path}: the HTTPRoute ends streams after {rule['timeouts']}")
        gateways = {d["metadata"]["name"] for d in documents if d["kind"] == "Gateway"}
        named = {parent["name"] for parent in route["spec"]["parentRefs"] if "namespace" not in parent}
        expect(named <= gateways, f"{path}: the HTTPRoute names {named}, but there is {gateways}")


def check_dns(path, policy):
    """The pods must reach the DNS of Kubernetes, that of OpenShift, and NodeLocal DNSCache."""
    rules = [rule for rule in policy["egress"] if {"port": 53, "protocol": "UDP"} in rule["ports"]]
    ports = {(port["port"], port["protocol"]) for rule in rules for port in rule["ports"]}
    expect({(port, protocol) for port in (53, 5353) for protocol in ("UDP", "TCP")} <= ports, f"{path}: the NetworkPolicy opens only {ports} for DNS")
    peers = [peer for rule in rules for peer in rule["to"]]
    namespaces = {value for peer in peers for term in peer.get("namespaceSelector", {}).get("matchExpressions", []) for value in term["values"]}
    if Path(path).name == "chart-everything.yaml":  # names a DNS of its own
        expect(peers == [{"ipBlock": {"cidr": "192.0.2.53/32"}}], f"{path}: the NetworkPolicy does not use networkPolicy.dns")
        return
    expect({"kube-system", "openshift-dns"} <= namespaces, f"{path}: the NetworkPolicy allows DNS only in {namespaces}")
    expect({"ipBlock": {"cidr": "169.254.20.10/32"}} in peers, f"{path}: the NetworkPolicy does not allow NodeLocal DNSCache")


def environment(documents, workload):
    """The settings of a workload's container, from its `env` or from the ConfigMap."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    listed = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    return (one(documents, "ConfigMap")["data"] if "envFrom" in container else {}) | listed


def check_pod(where, pod, command, config):
    # Kubernetes takes the user of the image. OpenShift refuses a pod that names one, and chooses one that the image does not know,
    # so the Secret must be readable for every user.
    expect(re.search(r"^USER [1-9]\d*:", text("Dockerfile"), re.MULTILINE), "Dockerfile: USER must be a number that is not 0")
    security = pod["securityContext"]
    expect(security.get("runAsNonRoot") is True, f"{where}: may run as root")
    for holder in (security, *(container["securityContext"] for container in pod["containers"])):
        named = {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"} & set(holder)
        expect(not named, f"{where}: OpenShift refuses {sorted(named)}")
    modes = [volume["secret"].get("defaultMode") for volume in pod["volumes"] if "secret" in volume]
    expect(modes == [0o444], f"{where}: the files of the Secret have the modes {modes}, so not every user can read them")
    expect(security.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{where}: has no seccomp profile")
    expect(pod.get("automountServiceAccountToken") is False, f"{where}: mounts the token of the service account")
    for container in pod["containers"]:
        inner = container["securityContext"]
        expect(inner.get("readOnlyRootFilesystem") is True, f"{where}: can write to its image")
        expect(inner.get("allowPrivilegeEscalation") is False, f"{where}: can gain privileges")
        expect(inner.get("capabilities") == {"drop": ["ALL"]}, f"{where}: has capabilities")
        expect("memory" in container["resources"]["limits"], f"{where}: has no memory limit")
        expect(container["args"] == [command], f"{where}: does not run `{command}`")
        version = released()
        expect(container["image"].endswith(f"earmark:{version}"), f"{where}: the version of the image is not {version}: {container['image']}")
        url = Path(config["EARMARK_DATABASE_URL_FILE"])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        secret = [volume["name"] for volume in pod["volumes"] if volume.get("secret", {}).get("secretName") == "earmark-database"]
        expect([mounts.get(name) for name in secret] == [str(url.parent)], f"{where}: {url} is not in the volume of the Secret earmark-database")


# --- the chart

def released():
    return re.search(r'^version = "(.+)"', text("Cargo.toml"), re.MULTILINE)[1]


def check_chart():
    about = yaml.safe_load(text("deploy/helm/earmark/Chart.yaml"))
    for name in ("version", "appVersion"):
        expect(about[name] == released(), f"Chart.yaml: {name} is {about[name]}, but Cargo.toml says {released()}")
    taken = set(json.loads(text("deploy/helm/earmark/values.schema.json"))["properties"]["settings"]["properties"])
    for name in sorted(taken ^ (set(settings(["serve"])) - CHART_OWN)):
        expect(False, f"values.schema.json: {name} {'must not be among the settings' if name in taken else 'is missing'}")


def check_same(base, chart):
    """The base and the chart with its defaults must be equal, except for names and labels, which contain the release's name."""
    def bare(node):
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items()
                    if key not in ("metadata", "selector", "podSelector", "labelSelector", "env", "envFrom")}
        return [bare(value) for value in node] if isinstance(node, list) else node

    documents = [list(yaml.safe_load_all(Path(path).read_text())) for path in (base, chart)]
    for kind in ("Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service"):
        ours, theirs = (bare(one(side, kind)) for side in documents)
        if kind == "Job":
            # In the chart, the Job runs before the service account exists.
            ours["spec"]["template"]["spec"].pop("serviceAccountName")
        for side in (ours, theirs):
            for container in side["spec"].get("template", {}).get("spec", {}).get("containers", []):
                container.setdefault("imagePullPolicy", "IfNotPresent")
        expect(ours == theirs, f"{kind}: base and chart differ:\n  {json.dumps(ours, sort_keys=True)}\n  {json.dumps(theirs, sort_keys=True)}")
    ours, theirs = (environment(side, one(side, "Deployment")) for side in documents)
    expect(ours.items() <= theirs.items(), f"the chart lacks settings of the base: {dict(ours.items() - theirs.items())}")


# --- monitoring

def expressions():
    """All queries of the rules, the alerts and the dashboard, with their places."""
    for file in ("rules.yml", "alerts.yml"):
        for group in yaml.safe_load(text(f"deploy/prometheus/{file}"))["groups"]:
            for rule in group["rules"]:
                yield f"{file}: {rule.get('alert') or rule['record']}", rule["expr"]
    for panel in json.loads(text("deploy/grafana/earmark.json"))["panels"]:
        for target in panel.get("targets", []):
            yield f"earmark.json: {panel['title']}", target["expr"]


def check_metrics():
    documented = set(re.findall(r"^\| `(\w+)", text("docs/metrics.md"), re.MULTILINE))
    expect(len(documented) > 10, "docs/metrics.md has no table of metrics")
    used = set()
    for where, expression in expressions():
        bare = re.sub(r'"[^"]*"', '""', expression)
        bare = re.sub(r"\b(by|on|ignoring|without|group_left|group_right) *\([^)]*\)", "", bare)
        for name in re.findall(r"(?<![\w:$])(up|(?:earmark|process)_\w+)\b(?!:)", bare):
            used.add(name)
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            expect(name in documented | PROMETHEUS_OWN or base in documented, f"{where}: {name} is not in docs/metrics.md")
    recorded = set(re.findall(r"- record: (\S+)", text("deploy/prometheus/rules.yml")))
    for where, expression in expressions():
        for name in re.findall(r"\b\w+:\w+:\w+\b", expression):
            expect(name in recorded, f"{where}: no rule records {name}")
    return used


def headings(file):
    """The headings of a document, as its links name them."""
    return {re.sub(r"[^\w -]", "", line.lstrip("#").strip()).lower().replace(" ", "-")
            for line in text(file).splitlines() if line.startswith("#")}


def check_alerts():
    rules = yaml.safe_load(text("deploy/prometheus/alerts.yml"))["groups"][0]["rules"]
    runbooks = headings("docs/operations.md")
    tests = yaml.safe_load(text("deploy/prometheus/alerts_test.yml"))["tests"]
    raised, silent = set(), set()
    for test in tests:
        for case in test.get("alert_rule_test", []):
            (raised if case["exp_alerts"] else silent).add(case["alertname"])
    for rule in rules:
        name = rule["alert"]
        expect(rule["labels"]["severity"] in ("critical", "warning", "info"), f"{name}: has no severity")
        runbook = f"{PLACEHOLDER}docs/operations.md#{name.lower()}"
        expect(rule["annotations"]["runbook_url"] == runbook, f"{name}: runbook_url is not {runbook}")
        expect(name.lower() in runbooks, f"{name}: docs/operations.md has no section of that name")
        expect(name in raised, f"{name}: no test expects it to fire")
        expect(name in silent, f"{name}: no test expects it not to fire")


def check_dashboard():
    dashboard = json.loads(text("deploy/grafana/earmark.json"))
    panels = dashboard["panels"]
    expect(len({panel["id"] for panel in panels}) == len(panels), "earmark.json: two panels have one id")
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        expect(not cells & taken and at["x"] + at["w"] <= 24, f"earmark.json: {panel['title']} overlaps another panel")
        taken |= cells
        if panel["type"] != "row":
            expect(panel["datasource"]["uid"] == "${datasource}", f"earmark.json: {panel['title']} does not use the data source variable")
            expect(panel.get("targets") and panel["fieldConfig"]["defaults"].get("unit"), f"earmark.json: {panel['title']} has no query or no unit")
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    queries = " ".join(target["expr"] for panel in panels for target in panel.get("targets", []))
    used = set(re.findall(r"\$([a-z]\w*)", queries))
    expect(used | {"datasource"} == variables, f"earmark.json: has the variables {sorted(variables)}, and uses {sorted(used)}")
    for link in dashboard["links"]:
        file, _, heading = link["url"].removeprefix(PLACEHOLDER).partition("#")
        expect((ROOT / file).is_file() and heading in {"", *headings(file)}, f"earmark.json: the link {link['url']} leads nowhere")
    for metric in ("earmark_app_users", "earmark_app_conversations", "earmark_app_bytes", "earmark_app_users_at_limit",
                   "earmark_partition_up", "earmark_partition_writes_total"):
        expect(f"{metric}{{" in queries, f"earmark.json: no panel shows {metric}")


def main():
    known = settings()
    expect("EARMARK_LISTEN" in known and len(known) > 10, "`earmark serve --help` shows no settings")
    check_settings(known)
    for path in sys.argv[1:]:
        check_manifests(path, known)
    rendered = {Path(path).name: path for path in sys.argv[1:]}
    if not problems:
        check_same(rendered["base.yaml"], rendered["chart.yaml"])
    check_chart()
    used = check_metrics()
    check_alerts()
    check_dashboard()
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{len(sys.argv) - 1} sets of manifests fit Kubernetes {', '.join(KUBERNETES)}; {len(used)} metrics are used")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
