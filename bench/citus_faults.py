"""The scenarios of `bench/citus` that change the cluster under load: partitions move, a worker comes, servers die."""

import threading
import time

from machine import Failed, run
from stage import DATABASE, Probe, latency, say

OK, OVERLOADED, DATABASE_FAILED = "0", "60007", "50005"
WARM_SECONDS, DOWN_SECONDS, AFTER_SECONDS = 5, 5, 20
# A partition whose server answers again must work after at most this time.
HEALTHY_SECONDS_MAX = 15
ASYNCHRONOUS_MARKS = 20


def only(codes, *allowed):
    odd = {code: count for code, count in codes.items() if code not in allowed}
    if odd:
        raise Failed(f"the service answered {odd}, but only {', '.join(allowed)} are allowed")


def all_succeed(report, loads):
    """While partitions move, nothing may fail."""
    only(report["codes"], OK)
    broken = sum(load.total()["broken"] for load in loads)
    if broken or report["in_doubt"]:
        raise Failed(f"{broken} connections broke, and {report['in_doubt']} writes are in doubt")


def move(stage):
    """Moves a partition to another worker under load."""
    places = stage.places()
    partition, source = min(places.items())
    target = next(address for address in sorted(set(places.values()) | set(workers(stage))) if address != source)
    size = int(stage.servers.query(DATABASE, f"SELECT sum(shard_size) FROM citus_shards WHERE table_name::text LIKE 'partition_{partition}.%'"))
    stage.serve()
    before = stage.revisions()
    seconds = stage.given.seconds
    loads = [stage.load([partition], seconds), stage.load([other for other in places if other != partition], seconds)]
    time.sleep(WARM_SECONDS)
    begun = time.monotonic()
    stage.earmark.command(DATABASE, "partitions", "move", partition, "--to", target)
    took = time.monotonic() - begun
    stage.run_to_end(loads)
    if took > seconds - WARM_SECONDS:
        raise Failed(f"the move took {took:.0f} s, longer than the load; give a larger --seconds")
    if stage.places()[partition] != target:
        raise Failed(f"partition {partition} is still on {stage.places()[partition]}")
    report = stage.check(loads, before)
    all_succeed(report, loads)
    return {"partition": partition, "from": source, "to": target, "bytes": size, "seconds": round(took, 2), **report,
            "moved": latency(loads[:1]), "others": latency(loads[1:])}


def workers(stage):
    rows = stage.servers.query(DATABASE, "SELECT nodename || ':' || nodeport FROM pg_dist_node WHERE shouldhaveshards AND isactive")
    return rows.splitlines()


def add_worker(stage):
    """Adds a worker, and lets Citus move partitions to it under load."""
    stage.serve()
    before, places_before = stage.revisions(), stage.places()
    loads = [stage.load(list(places_before), stage.given.seconds)]
    time.sleep(WARM_SECONDS)
    begun = time.monotonic()
    worker = stage.servers.new_worker(len(stage.servers.workers) + 1)
    stage.servers.workers.append(worker)
    worker.start()
    stage.servers.create_on(worker, DATABASE)
    stage.servers.add(DATABASE, worker)
    added = time.monotonic()
    stage.servers.query(DATABASE, "SELECT citus_rebalance_start(rebalance_strategy := 'by_shard_count')", "SELECT citus_rebalance_wait()")
    done = time.monotonic()
    stage.run_to_end(loads)
    if done - begun > stage.given.seconds - WARM_SECONDS:
        raise Failed("the rebalancing took longer than the load; give a larger --seconds")
    report = stage.check(loads, before)
    all_succeed(report, loads)
    places = stage.places()
    if worker.address not in places.values():
        raise Failed("no partition moved to the new worker")
    moved = sorted(number for number in places if places[number] != places_before[number])
    return {"moved": moved, "seconds_to_add": round(added - begun, 2), "seconds_to_rebalance": round(done - added, 2), **report, "all": latency(loads)}


def kill_worker(stage):
    """Kills a worker with kill -9, and starts it again."""
    victim = stage.servers.node_at(max(stage.places().values()))
    return outage(stage, victim, [number for number, address in stage.places().items() if address == victim.address])


def kill_coordinator(stage):
    """Kills the coordinator with kill -9, and starts it again. No partition is on it."""
    return outage(stage, stage.servers.coordinator, [])


def outage(stage, victim, affected):
    places = stage.places()
    others = [number for number in places if number not in affected]
    stage.serve()
    before = stage.revisions()
    seconds = WARM_SECONDS + DOWN_SECONDS + AFTER_SECONDS
    loads = [stage.load(some, seconds) for some in (affected, others) if some]
    watched = Probe(stage, (affected or others)[0])
    watched.start()
    begun = time.monotonic()
    time.sleep(WARM_SECONDS)
    say(f"killing {victim.name}")
    victim.kill()
    killed = time.monotonic()
    time.sleep(DOWN_SECONDS)
    is_ready = stage.is_ready()
    restarted = time.monotonic()
    victim.launch()
    answers = time.monotonic()
    stage.run_to_end(loads)
    watched.stop()
    report = stage.check(loads, before)
    only(report["codes"], OK, OVERLOADED, DATABASE_FAILED)
    healthy = watched.healthy_at()
    if healthy is None or healthy - answers > HEALTHY_SECONDS_MAX:
        raise Failed(f"the partitions of {victim.name} do not work {HEALTHY_SECONDS_MAX} s after it answered")
    other_loads = loads[1:] if affected else loads
    failed = {code: count for load in other_loads for code, count in load.total()["codes"].items() if code != OK}
    if failed or not is_ready:
        raise Failed(f"partitions on other servers answered {failed}, and the service was {'' if is_ready else 'not '}ready")
    during = int(killed - begun) + 1, int(max(healthy, answers) - begun) + 1
    usual = latency(other_loads, 2, int(killed - begun))
    return {"killed": victim.name, "partitions_of_it": affected, "down_seconds": DOWN_SECONDS, "ready_meanwhile": is_ready,
            "seconds_from_start_to_answer": round(answers - restarted, 2), "seconds_from_start_to_healthy": round(max(0, healthy - restarted), 2),
            **report, "others_failed": failed, "others_before": usual, "others_meanwhile": latency(other_loads, *during)}


def cancelled(stage):
    """Cancels statements at the coordinator, whose workers may have committed them."""
    stage.serve("--partition-route", "coordinator")
    before = stage.revisions()
    loads = [stage.load(list(stage.places()), stage.given.seconds)]
    is_over, cancels = threading.Event(), []

    def cancel():
        sql = ("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
               "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND query NOT ILIKE '%pg_dist%'")
        while not is_over.wait(0.05):
            cancels.append(int(stage.servers.query(DATABASE, sql)))

    thread = threading.Thread(target=cancel)
    time.sleep(WARM_SECONDS)
    thread.start()
    time.sleep(max(1, stage.given.seconds - 2 * WARM_SECONDS))
    is_over.set()
    thread.join()
    stage.run_to_end(loads)
    report = stage.check(loads, before)
    only(report["codes"], OK, DATABASE_FAILED)
    if not sum(cancels):
        raise Failed("no statement was cancelled")
    return {"cancelled": sum(cancels), **report, "all": latency(loads)}


def settings(stage):
    """Gives the workers unsafe settings. Either the service's sessions have safe ones nevertheless, or it refuses to serve."""
    worker = stage.servers.workers[0]
    try:
        return {"direct": asynchronous(stage, worker), "coordinator": asynchronous(stage, worker, "--partition-route", "coordinator"),
                "full_page_writes": unsafe(stage, worker)}
    finally:
        for node in stage.servers.nodes:
            set_on(node, "RESET synchronous_commit", "RESET wal_writer_delay", "RESET full_page_writes")


def set_on(node, *changes):
    node.query("postgres", *(f"ALTER SYSTEM {change}" for change in changes), "SELECT pg_reload_conf()")


def asynchronous(stage, worker, *arguments):
    """With synchronous_commit off on all nodes, acknowledged marks must survive a kill -9."""
    for node in stage.servers.nodes:
        set_on(node, "SET synchronous_commit = off", "SET wal_writer_delay = '10s'")
    partition = next(number for number, address in stage.places().items() if address == worker.address)
    user = Probe(stage, partition).user
    try:
        stage.serve(*arguments)
    except Failed:
        return "refused"
    worker.query("postgres", "CREATE TABLE IF NOT EXISTS control (nr INT)", "CHECKPOINT")
    kept = int(worker.query("postgres", "SELECT count(*) FROM control"))
    for nr in range(ASYNCHRONOUS_MARKS):
        if code := stage.mark(user, f"p{nr}", str(time.time())):
            return f"refused with {code}"
    last = f"last-{time.time()}"
    stage.mark(user, "p-last", last)
    # This row must be lost. Otherwise the server has flushed everything, and the scenario shows nothing.
    worker.query("postgres", "INSERT INTO control VALUES (1)")
    worker.kill()
    worker.launch()
    if int(worker.query("postgres", "SELECT count(*) FROM control")) != kept:
        raise Failed("the server has flushed the row of a commit without synchronous_commit; try again")
    found = stage.servers.query(DATABASE, f"SELECT custom_mark FROM partition_{partition}.conversations WHERE user_id = '{user}' AND peer_id = 'p-last'")
    if found != last:
        raise Failed(f"an acknowledged mark is lost with the arguments {arguments}: synchronous_commit was off on the worker")
    return "nothing lost"


def unsafe(stage, worker):
    """With full_page_writes off on one worker, `earmark doctor` must fail, and the service must refuse."""
    set_on(worker, "SET full_page_writes = off")
    try:
        run([stage.earmark.binary, "doctor"], env=stage.earmark.environment | {"EARMARK_DATABASE_URL": stage.servers.url(DATABASE)})
    except Failed as problem:
        if "full_page_writes" not in str(problem):
            raise
        return "refused"
    raise Failed("earmark doctor accepts a worker whose full_page_writes is off")


SCENARIOS = {"move": move, "add-worker": add_worker, "kill-worker": kill_worker, "kill-coordinator": kill_coordinator,
             "cancelled": cancelled, "settings": settings}
