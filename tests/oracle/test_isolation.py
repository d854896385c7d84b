#!/usr/bin/env python3
"""Interleavings of sessions, run on Stele and on a real PostgreSQL 15; every step's outcome must agree.

isolation/*.spec:
  setup: SQL          run before every permutation (several lines are allowed)
  teardown: SQL
  session NAME: SQL   the session's opening statements, run at the start of every permutation
  step NAME: SQL      belongs to the session whose name is the step's first letter: a1 and ac are a's
  order: a1 b1 a2     one permutation; a step that waits is shown as "waits" and reported when it ends
A step that blocks for 0.35 s counts as waiting. The next step of a waiting session waits for it first.
"""
import pathlib
import re
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import harness  # noqa: E402
import pgwire  # noqa: E402
from postgres import RealPostgres  # noqa: E402

WAIT = 0.35


class Spec:
    def __init__(self, path):
        self.name = path.stem
        self.setup = self.teardown = ""
        self.sessions, self.steps, self.orders = {}, {}, []
        kind = target = None
        for line in path.read_text().splitlines():
            if line.startswith("#") or not line.strip():
                continue
            m = re.match(r"(setup|teardown|order|session (\w+)|step (\w+)):\s*(.*)", line)
            if m:
                kind, text = m.group(1).split()[0], m.group(4)
                target = m.group(2) or m.group(3)
            else:
                text = line.strip()
            if kind == "setup":
                self.setup += text + "\n"
            elif kind == "teardown":
                self.teardown += text + "\n"
            elif kind == "session":
                self.sessions[target] = self.sessions.get(target, "") + text + "\n"
            elif kind == "step":
                self.steps[target] = self.steps.get(target, "") + text + "\n"
            elif kind == "order":
                self.orders.append(text.split())


class Runner(threading.Thread):
    """One session: runs what it is given, tells when it is done."""

    def __init__(self, port, database):
        super().__init__(daemon=True)
        self.connection = pgwire.Connection(port, database=database, timeout=30)
        self.todo, self.done = None, threading.Event()
        self.wake = threading.Event()
        self.outcome = None
        self.start()

    def begin(self, sql):
        self.done.clear()
        self.todo = sql
        self.wake.set()

    def run(self):
        while True:
            self.wake.wait()
            self.wake.clear()
            if self.todo is None:
                return
            try:
                self.outcome = [shown(r) for r in self.connection.query(self.todo)]
            except (pgwire.WireError, OSError) as e:
                self.outcome = [f"connection: {e}"]
            self.done.set()

    def end(self):
        self.todo = None
        self.wake.set()
        self.connection.close()


def shown(r):
    if r.error:
        return f"{r.error['C']} {re.sub(r'[0-9]+', 'N', r.error['M']) if r.error['C'] == '40P01' else r.error['M']}"
    rows = "; ".join(",".join("null" if v is None else v for v in row) for row in sorted(r.rows, key=repr))
    return f"{r.tag}" + (f" [{rows}]" if r.columns is not None else "")


def owner(step):
    return step[0]


def run_order(spec, order, port, database):
    admin = pgwire.Connection(port, database=database)
    trace = []
    for r in admin.query(spec.setup):
        if r.error:
            trace.append("setup: " + r.error["M"])
    sessions = {name: Runner(port, database) for name in spec.sessions}
    for name, sql in spec.sessions.items():
        if sql.strip():
            sessions[name].begin(sql)
            sessions[name].done.wait(10)
    waiting = []

    def collect(final=False):
        for step in list(waiting):
            s = sessions[owner(step)]
            if s.done.wait(10 if final else 0.15):
                trace.append(f"{step} ended: {' | '.join(s.outcome)}")
                waiting.remove(step)

    for step in order:
        s = sessions[owner(step)]
        for w in [w for w in waiting if owner(w) == owner(step)]:
            s.done.wait(10)
            trace.append(f"{w} ended: {' | '.join(s.outcome)}" if s.done.is_set() else f"{w} never ended")
            waiting.remove(w)
        s.begin(spec.steps[step])
        if s.done.wait(WAIT):
            trace.append(f"{step}: {' | '.join(s.outcome)}")
        else:
            trace.append(f"{step}: waits")
            waiting.append(step)
        collect()
    collect(final=True)
    for s in sessions.values():
        s.end()
    time.sleep(0.05)
    admin.query(spec.teardown)
    admin.close()
    return trace


def main():
    specs = [Spec(p) for p in sorted((HERE / "isolation").glob("*.spec"))]
    if len(sys.argv) > 1:
        specs = [s for s in specs if s.name in sys.argv[1:]]
    tally = harness.Tally()
    with RealPostgres("fsync=off", "deadlock_timeout=200ms") as real, \
            harness.Server("-c", "deadlock_timeout=200ms", doors=("postgres",)) as server:
        jobs = []
        for spec in specs:
            for order in spec.orders:
                jobs.append((spec, order))
        for spec, order in jobs:
            results = {}

            def work(which, port, database):
                try:
                    results[which] = run_order(spec, order, port, database)
                except Exception as e:
                    results[which] = [f"failed: {e!r}"]
            threads = [threading.Thread(target=work, args=a) for a in (("stele", server.ports["postgres"], "stele"), ("postgres", real.port, "postgres"))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            detail = "\n    stele:    " + "\n              ".join(results["stele"]) + "\n    postgres: " + "\n              ".join(results["postgres"])
            ok = results["stele"] == results["postgres"] and not results["postgres"][0].startswith("failed:")
            tally.check(f"{spec.name}: {' '.join(order)}", ok, detail)
    tally.done()


if __name__ == "__main__":
    main()
