"""A real Redis and a Stele on free ports of their own, for tests and benchmarks."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
import harness  # noqa: E402
from resp import Conn  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RealRedis:
    """redis-server 7.0 with its files in a temporary folder; options as on its command line."""

    def __init__(self, *options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="real-redis-")

    def __enter__(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", self.folder, "--save", "", "--enable-debug-command", "yes", *self.options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.process.pid


def wait_for(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return Conn(port).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class Standalone(harness.Server):
    """redis_standalone, the keyspace and the Redis door alone: what sanitizer builds run in reasonable time."""

    def start(self, timeout=60):
        self.ports = {"redis": free_port()}
        self.log = open(self.data / "server.out", "ab")
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1")
        self.process = subprocess.Popen([os.environ["STELE_REDIS_STANDALONE"], str(self.ports["redis"]), str(self.data / "db")], stdout=self.log, stderr=self.log, env=env)
        wait_for(self.ports["redis"], timeout)
        return self


def stele():
    """A Stele with its Redis door open: a context manager; `port_of` says where. STELE_REDIS_STANDALONE names another binary."""
    return Standalone() if "STELE_REDIS_STANDALONE" in os.environ else harness.Server(doors=("redis",))


def port_of(server):
    return server.ports["redis"]


def long_run(name, default):
    """A size of the test: small by default, larger when the environment asks for it."""
    return int(os.environ.get(name, default))
