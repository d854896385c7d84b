#!/usr/bin/env python3
"""Random transactions in random interleavings, on Stele and on a real PostgreSQL 15; every step's outcome must agree.

test_isolation_random.py [--specs N] [--seed S]: PostgreSQL runs first and chooses, among the sessions that do not
wait, who goes on; Stele has to follow step by step.
"""
import argparse
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))
import harness  # noqa: E402
from interleaving import Interleaving, Spec, agree, owner, run_order  # noqa: E402
from postgres import RealPostgres  # noqa: E402

ORDERS = 3  # of each spec


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def key(self):
        return self.random.randint(1, 6)

    def one(self, *choices):
        return self.random.choice(choices)

    def statement(self):
        key, one, number = self.key, self.one, self.random.randint
        strength = one("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE")
        return one(
            f"UPDATE p SET v = v + 1 WHERE id = {key()}",
            f"UPDATE p SET v = v * 2 WHERE v > {number(0, 6)}",
            f"UPDATE p SET u = u + {one(1, 10)} WHERE id = {key()}",
            f"UPDATE p SET id = {key()} WHERE id = {key()}",
            f"DELETE FROM p WHERE id = {key()}",
            f"DELETE FROM p WHERE v = {key()} RETURNING id",
            f"DELETE FROM c WHERE pid = {key()}",
            f"INSERT INTO p VALUES ({key()}, {key() * 10}, 0, 'n')",
            f"INSERT INTO p VALUES ({key()}, {number(1, 8) * 10}, 0, 'n') ON CONFLICT DO NOTHING",
            f"INSERT INTO p VALUES ({key()}, {number(100, 900)}, 0, 'n') ON CONFLICT (id) DO UPDATE SET v = p.v + 100",
            f"INSERT INTO p VALUES ({key()}, {number(100, 900)}, 0, 'n') ON CONFLICT (id) DO UPDATE SET v = p.v + 100"
            " WHERE p.v > 1 RETURNING id, v",
            f"INSERT INTO c VALUES ({number(1, 8)}, {key()}, 0)",
            f"UPDATE c SET pid = {key()} WHERE id = {number(1, 3)}",
            "SELECT id, u, v FROM p ORDER BY id",
            "SELECT sum(v) FROM p",
            f"SELECT id, v FROM p WHERE id = {key()}",
            "SELECT id, pid, n FROM c ORDER BY id",
            f"SELECT id, v FROM p WHERE id = {key()} FOR {strength}{one('', ' NOWAIT', ' SKIP LOCKED', '')}",
            f"SELECT id, v FROM p ORDER BY id FOR {strength}{one('', ' NOWAIT', ' SKIP LOCKED')}",
            f"SELECT id, v FROM p WHERE v >= {number(0, 4)} ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED",
            f"UPDATE p SET v = p.v + c.n FROM c WHERE c.pid = p.id AND c.id = {number(1, 2)}",
            f"UPDATE p SET v = 50 WHERE id = (SELECT min(id) FROM p WHERE v < {key()})",
            "UPDATE p SET t = t || 'x' WHERE t LIKE 'r%' AND v < 3 RETURNING id, t",
        )

    def spec(self, name):
        lines = ["setup: CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE, v int, t text);",
                 "INSERT INTO p SELECT i, i * 10, i, 'r' || i FROM generate_series(1, 5) i;",
                 f"CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p ON DELETE "
                 f"{self.one('NO ACTION', 'CASCADE', 'SET NULL', 'RESTRICT')} ON UPDATE {self.one('NO ACTION', 'CASCADE')}, n int);",
                 "INSERT INTO c VALUES (1, 1, 1), (2, 2, 2);",
                 "teardown: DROP TABLE c; DROP TABLE p;"]
        for session in "abc"[:self.one(2, 2, 3)]:
            level = self.one("READ COMMITTED", "READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
            # Sessions look for deadlocks one after the other, so that the victim is the same on both.
            lines.append(f"session {session}: BEGIN ISOLATION LEVEL {level}; "
                         f"SET LOCAL deadlock_timeout = '{ {'a': '100ms', 'b': '1500ms', 'c': '5s'}[session]}';")
            n = 0
            for _ in range(self.random.randint(1, 3)):
                lines.append(f"step {session}{n}: {self.statement()};")
                n += 1
                if self.random.random() < 0.15:
                    for text in ("SAVEPOINT x", self.statement(), self.one("ROLLBACK TO x", "RELEASE x")):
                        lines.append(f"step {session}{n}: {text};")
                        n += 1
            lines.append(f"step {session}{n}: {self.one('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK')};")
        lines += ["session z:", "step z1: SELECT id, u, v, t FROM p ORDER BY id;", "step z2: SELECT id, pid, n FROM c ORDER BY id;"]
        return Spec(name, "\n".join(lines)), "\n".join(lines)


def lead(spec, rng, port):
    """Runs on PostgreSQL in a random order that never waits for a waiting session; returns the order and the trace."""
    run = Interleaving(spec, port, "postgres")
    left = {name: [s for s in spec.steps if owner(s) == name] for name in spec.sessions}
    final = left.pop("z")
    order = []
    while any(left.values()):
        ready = [name for name, steps in left.items() if steps and not run.waits(name)]
        if not ready:  # all wait for one another: the deadlock search of one of them ends it
            ready = [name for name, steps in left.items() if steps and name == "a"] or [name for name, steps in left.items() if steps]
        step = left[rng.choice(ready)].pop(0)
        order.append(step)
        run.step(step)
    for step in final:
        order.append(step)
        run.step(step)
    return order, run.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.specs} specs of {ORDERS} orders")
    tally = harness.Tally()
    with RealPostgres("fsync=off") as real, harness.Server(doors=("postgres",)) as server:
        for i in range(options.specs):
            seed = options.seed + i
            generator = Generator(seed)
            spec, text = generator.spec(str(seed))
            for n in range(ORDERS):
                order, postgres = lead(spec, generator.random, real.port)
                try:
                    stele = run_order(spec, order, server.ports["postgres"], "stele")
                except Exception as e:
                    stele = [f"failed: {e!r}"]
                if not agree(tally, f"--specs 1 --seed {seed}, order {n}: {' '.join(order)}", stele, postgres, "\n" + text):
                    break
    tally.done()


if __name__ == "__main__":
    main()
