"""What every whole-server test needs: a server on free ports with data in a temporary folder, and a tally.

A test program is tests/<folder>/test_*.py (or tests/smoke.py). It uses Tally, and its last line of output is
"N passed, N failed". STELE_SERVER names the server's binary.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = os.environ.get("STELE_SERVER", str(ROOT / "build/release/bin/stele"))


class Server:
    """A running stele. Use as a context manager; kill() and start() again to test recovery."""

    def __init__(self, *arguments, doors=("postgres", "redis", "elasticsearch", "qdrant"), data=None, env=None):
        self.own_data = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="stele-test-"))
        self.arguments = list(arguments)
        self.doors = doors
        self.env = env
        self.ports = {}
        self.process = None

    def start(self, timeout=60):
        port_file = self.data / "ports.json"
        port_file.unlink(missing_ok=True)
        known = subprocess.run([SERVER, "--help"], capture_output=True, text=True).stdout
        doors = []
        for door in ("postgres", "redis", "elasticsearch", "qdrant"):
            if f"--{door}-port" in known:
                doors += [f"--{door}-port", "any" if door in self.doors else "0"]
        self.log = open(self.data / "server.out", "ab")
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1")
        env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:abort_on_error=1:print_stacktrace=1")
        env.setdefault("TSAN_OPTIONS", f"halt_on_error=1:suppressions={ROOT}/tools/tsan.supp")
        env.update(self.env or {})
        self.process = subprocess.Popen(
            [SERVER, "-D", str(self.data / "db"), "--port-file", str(port_file), *doors, *self.arguments],
            stdout=self.log, stderr=self.log, env=env)
        deadline = time.monotonic() + timeout
        while not port_file.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.output()[-3000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server did not get ready:\n{self.output()[-3000:]}")
            time.sleep(0.02)
        self.ports = json.loads(port_file.read_text())
        return self

    def output(self):
        return (self.data / "server.out").read_text(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=60):
        """Asks politely; returns the exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()
            self.log.close()
        if self.own_data and not os.environ.get("STELE_KEEP"):
            shutil.rmtree(self.data, ignore_errors=True)

    def connect(self, user="postgres", database="stele", **more):
        import psycopg2
        return psycopg2.connect(host="127.0.0.1", port=self.ports["postgres"], user=user, dbname=database, **more)


class Tally:
    """Counts named checks and goes on after failures; done() prints the closing line and exits."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}" + (f": {detail}" if detail != "" else ""), flush=True)
        return ok

    def equal(self, name, got, expected):
        return self.check(name, got == expected, f"got {got!r}, expected {expected!r}")

    def run(self, name, function, *arguments):
        """One test function: passes unless it raises."""
        try:
            function(*arguments)
            self.passed += 1
        except Exception:
            self.failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)

    def done(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)
