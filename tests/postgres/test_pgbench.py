#!/usr/bin/env python3
"""pgbench's three built-in scripts in all three query modes with 1 and 16 clients, without an error and without a lost
or doubled transaction. STELE_PGBENCH_SECONDS makes it longer."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import Server, Tally  # noqa: E402


def pgbench(server, *arguments):
    return subprocess.run(["pgbench", "-h", "127.0.0.1", "-p", str(server.ports["postgres"]), "-U", "postgres", *arguments, "stele"],
                          capture_output=True, text=True, timeout=300)


def main():
    t = Tally()
    if shutil.which("pgbench") is None:
        print("pgbench is not installed")
        t.done()
    seconds = os.environ.get("STELE_PGBENCH_SECONDS", "1")
    scale = 1
    with Server(doors=("postgres",)) as server:
        done = pgbench(server, "-i", "-q", "-s", str(scale))
        t.check("pgbench -i", done.returncode == 0, done.stderr[-500:])
        connection = server.connect()
        connection.autocommit = True
        c = connection.cursor()
        expected = 0
        for script in ("tpcb-like", "simple-update", "select-only"):
            for mode in ("simple", "extended", "prepared"):
                for clients in (1, 16):
                    name = f"{script} {mode} -c {clients}"
                    done = pgbench(server, "-n", "-b", script, "-M", mode, "-c", str(clients), "-j", "2", "-T", seconds)
                    t.check(name, done.returncode == 0 and not re.search("error|aborted", done.stderr, re.I), done.stderr[-500:])
                    ran = re.search(r"transactions actually processed: (\d+)", done.stdout)
                    t.check(name + ": something ran", ran is not None and int(ran.group(1)) > 0, done.stdout)
                    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
                    t.equal(name + ": failed", failed and failed.group(1), "0")
                    if script != "select-only" and ran is not None:
                        expected += int(ran.group(1))
        c.execute("SELECT count(*) FROM pgbench_history")
        t.equal("a row of history for every transaction", c.fetchone()[0], expected)
        c.execute("SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)")
        t.equal("accounts agree with history", c.fetchone()[0], True)
        c.execute("SELECT (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)")
        t.equal("branches agree with tellers", c.fetchone()[0], True)
        connection.close()
    t.done()


if __name__ == "__main__":
    main()
