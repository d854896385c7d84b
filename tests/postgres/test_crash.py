#!/usr/bin/env python3
"""Bank transfers by eight writers, SIGKILL at random moments: every acknowledged transfer is there, the sum never moves.

STELE_KILLS (default 12 here; 50 for the long run) and STELE_SEED replay a run.
"""
import os
import pathlib
import random
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent.parent / "tools"))
import harness  # noqa: E402
import pgwire  # noqa: E402

ACCOUNTS, WRITERS, START = 50, 8, 1000


class Writer(threading.Thread):
    def __init__(self, port, number, seed):
        super().__init__(daemon=True)
        self.port, self.number = port, number
        self.random = random.Random(seed)
        self.acknowledged, self.maybe = set(), set()
        self.retries = 0

    def run(self):
        try:
            c = pgwire.Connection(self.port, timeout=20)
            while True:
                a, b = self.random.sample(range(ACCOUNTS), 2)
                key = f"{self.number}-{self.random.getrandbits(60)}"
                amount = self.random.randint(1, 20)
                self.maybe.add(key)
                results = c.query(f"BEGIN; UPDATE accounts SET balance = balance - {amount} WHERE id = {a}; "
                                  f"UPDATE accounts SET balance = balance + {amount} WHERE id = {b}; "
                                  f"INSERT INTO transfers VALUES ('{key}', {a}, {b}, {amount}); COMMIT")
                errors = [r.error for r in results if r.error]
                self.maybe.discard(key)
                if errors:
                    if errors[0]["C"] not in ("40P01", "40001"):
                        raise RuntimeError(errors[0])
                    self.retries += 1
                    c.query("ROLLBACK")
                else:
                    self.acknowledged.add(key)
        except (OSError, pgwire.WireError):
            pass


def main():
    tally = harness.Tally()
    kills = int(os.environ.get("STELE_KILLS", "12"))
    seed = int(os.environ.get("STELE_SEED", str(int(time.time()))))
    print(f"seed {seed}, {kills} kills")
    rng = random.Random(seed)
    acknowledged, lost = set(), 0
    with harness.Server(doors=("postgres",)) as server:
        c = pgwire.Connection(server.ports["postgres"])
        c.query("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL); CREATE TABLE transfers (key text PRIMARY KEY, a int, b int, amount int);"
                f"INSERT INTO accounts SELECT g, {START} FROM generate_series(0, {ACCOUNTS - 1}) g")
        c.close()
        for kill in range(kills):
            writers = [Writer(server.ports["postgres"], n, rng.random()) for n in range(WRITERS)]
            for w in writers:
                w.start()
            time.sleep(rng.uniform(0.05, 0.8))
            server.kill()
            for w in writers:
                w.join(20)
                acknowledged |= w.acknowledged
            server.start()
            c = pgwire.Connection(server.ports["postgres"])
            total = c.query("SELECT sum(balance), count(*) FROM accounts")[0].rows[0]
            there = {r[0] for r in c.query("SELECT key FROM transfers")[0].rows}
            effect = c.query("SELECT count(*) FROM accounts x WHERE balance <> 1000 + coalesce((SELECT sum(amount) FROM transfers WHERE b = x.id), 0)"
                             " - coalesce((SELECT sum(amount) FROM transfers WHERE a = x.id), 0)")[0].rows
            c.close()
            missing = acknowledged - there
            tally.equal(f"kill {kill}: sum", total, [str(START * ACCOUNTS), str(ACCOUNTS)])
            tally.check(f"kill {kill}: acknowledged transfers", not missing, f"{len(missing)} of {len(acknowledged)} are missing")
            tally.equal(f"kill {kill}: balances follow from transfers", effect, [["0"]])
        tally.check("something was written", len(acknowledged) > kills, len(acknowledged))
        print(f"{len(acknowledged)} acknowledged transfers, {lost} lost")
    tally.done()


if __name__ == "__main__":
    main()
