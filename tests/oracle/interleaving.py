"""Runs interleavings of sessions, a step at a time, and tells what each step did: shared by the isolation tests.

A step waits when the server says so (pg_isolation_test_session_is_blocked); nothing here is a matter of timing.
"""
import re
import sys
import pathlib
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import pgwire  # noqa: E402

STUCK = 30  # seconds after which a step that neither ends nor waits for a lock is given up


class Spec:
    def __init__(self, name, text):
        self.name = name
        self.setup = self.teardown = ""
        self.sessions, self.steps, self.orders = {}, {}, []
        kind = target = None
        for line in text.splitlines():
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
        self.pid = self.connection.query("SELECT pg_backend_pid()")[0].rows[0][0]
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


class Interleaving:
    """The sessions of one spec, opened, with its setup done. Call step() in the wanted order, then finish()."""

    def __init__(self, spec, port, database):
        self.spec = spec
        self.admin = pgwire.Connection(port, database=database, timeout=STUCK)
        self.trace = ["setup: " + r.error["M"] for r in self.admin.query(spec.setup) if r.error]
        self.sessions = {name: Runner(port, database) for name in spec.sessions}
        self.pids = "{" + ",".join(s.pid for s in self.sessions.values()) + "}"
        self.waiting = []
        for name, sql in spec.sessions.items():
            if sql.strip():
                self.sessions[name].begin(sql)
                self.sessions[name].done.wait(STUCK)

    def blocked(self, session):
        """Waits until the session's step has ended (False) or waits for another session (True)."""
        pause, waited = 0.001, 0.0
        while not session.done.wait(pause):
            r = self.admin.query(f"SELECT pg_isolation_test_session_is_blocked({session.pid}, '{self.pids}')")[0]
            if r.error:
                raise RuntimeError(r.error["M"])
            if r.rows == [["t"]] and not session.done.is_set():
                return True
            waited += pause
            if waited > STUCK:
                raise RuntimeError("a step neither ends nor waits")
            pause = min(pause * 2, 0.05)
        return False

    def end_of(self, step):
        self.trace.append(f"{step} ended: {' | '.join(self.sessions[owner(step)].outcome)}")
        self.waiting.remove(step)

    def waits(self, session_name):
        return any(owner(w) == session_name for w in self.waiting)

    def step(self, step):
        session = self.sessions[owner(step)]
        for w in [w for w in self.waiting if owner(w) == owner(step)]:
            self.wait_for(w)
        session.begin(self.spec.steps[step])
        if self.blocked(session):
            self.trace.append(f"{step}: waits")
            self.waiting.append(step)
        else:
            self.trace.append(f"{step}: {' | '.join(session.outcome)}")
        self.collect()

    def wait_for(self, step):
        if not self.sessions[owner(step)].done.wait(STUCK):
            raise RuntimeError(f"{step} never ended")
        self.end_of(step)

    def collect(self):
        for step in list(self.waiting):
            if not self.blocked(self.sessions[owner(step)]):
                self.end_of(step)

    def finish(self):
        for step in list(self.waiting):
            self.wait_for(step)
        self.close()
        return self.trace

    def close(self):
        """Ends the sessions, whatever they are doing, and removes what the setup made."""
        for s in self.sessions.values():
            s.end()
        left = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY ('" + self.pids + "')"
        for _ in range(1000):
            if self.admin.query(left)[0].rows == [["0"]]:
                break
        self.admin.query(self.spec.teardown)
        self.admin.close()


def run_order(spec, order, port, database):
    run = Interleaving(spec, port, database)
    try:
        for step in order:
            run.step(step)
        return run.finish()
    except Exception:
        run.close()
        raise


def both(first, second):
    """Runs two functions at once; a failure is the one line of its result."""
    results = [None, None]

    def work(i, f):
        try:
            results[i] = f()
        except Exception as e:
            results[i] = [f"failed: {e!r}"]
    threads = [threading.Thread(target=work, args=a) for a in ((0, first), (1, second))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def agree(tally, name, stele, postgres, more=""):
    detail = "\n    stele:    " + "\n              ".join(stele) + "\n    postgres: " + "\n              ".join(postgres) + more
    return tally.check(name, stele == postgres and not postgres[0].startswith("failed:"), detail)
