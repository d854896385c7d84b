#!/usr/bin/env python3
"""Scenarios of several connections, played on a real Redis 7.0 and on Stele; every reply and push is compared.

sessions/*.txt: '# name' begins a scenario on fresh connections and an empty server. 'A: COMMAND' runs a command on connection A,
'A> COMMAND' sends it without reading, 'A<' reads a reply or push, 'A~ COMMAND' runs it and compares only the shape,
'A@ COMMAND' runs it and compares without order, 'A?' says whether anything arrived within 50 ms, 'A!' whether the server
closed it, 'blocked N' waits for N blocked clients, 'until A: COMMAND = REPLY' repeats a command, 'resp3 A' switches A.
"""
import re
import select
import shlex
import sys
import time

from peers import HERE, Conn, RealRedis, harness, port_of, stele
from resp import Status
from test_differential import flat, shape


def words(text):
    return [w.encode().decode("unicode_escape").encode("latin1") for w in shlex.split(text)]


class Player:
    def __init__(self, port):
        self.port, self.conns, self.ids, self.transcript, self.at = port, {}, {}, [], 0
        self.admin = Conn(port, timeout=20)

    def conn(self, name):
        if name not in self.conns:
            self.conns[name] = Conn(self.port, timeout=10)
        return self.conns[name]

    def expand(self, arguments):
        """<id:A> stands for the client id of A, <addr:A> for its address."""
        out = []
        for a in arguments:
            if a.startswith(b"<id:"):
                a = b"%d" % self.ids[a[4:-1].decode()]
            out.append(a)
        return out

    def reset(self):
        for c in self.conns.values():
            c.close()
        self.conns, self.ids = {}, {}
        self.admin.close()
        self.admin = Conn(self.port, timeout=20)
        for command in ("CLIENT UNPAUSE", "FLUSHALL", "SCRIPT FLUSH", "FUNCTION FLUSH", "CONFIG RESETSTAT", "ACL LOG RESET", "SLOWLOG RESET"):
            self.admin.must(*command.split())
        self.admin.must("CONFIG", "SET", "notify-keyspace-events", "", "maxmemory", "0", "slowlog-log-slower-than", "10000")

    def note(self, line, value):
        self.transcript.append(("%d %s" % (self.at, line), self.without_ids(value)))

    def without_ids(self, value):
        """Client ids, which differ, by the names of their connections."""
        if isinstance(value, Status):  # what MONITOR shows begins with the time and the client's address
            return Status(re.sub(r"^\d+\.\d+ \[(\d+) [^\]]*\]", r"<time> [\1]", value))
        if isinstance(value, bytes) and b"-@all" in value:  # Redis lists a user's commands in an order of its own in each process
            return sorted(value.split())
        if isinstance(value, (list, tuple)):
            return [self.without_ids(v) for v in value]
        for name, number in self.ids.items():
            if value == number and type(value) is int:
                return "<id:%s>" % name
        return value

    def play(self, line):
        if line.startswith("blocked "):
            self.wait(lambda: b"blocked_clients:%d\r\n" % int(line[8:]) in self.admin.call("INFO", "clients"), line)
        elif line.startswith("resp3 "):
            self.conn(line[6:]).must("HELLO", 3)
        elif line.startswith("id "):
            self.ids[line[3:]] = self.conn(line[3:]).must("CLIENT", "ID")
        elif line.startswith("sleep "):
            time.sleep(float(line[6:]))
        elif line.startswith("until "):
            name, rest = line[6:].split(": ", 1)
            command, expected = rest.rsplit(" = ", 1)
            self.wait(lambda: str(self.conn(name).call(*words(command))) == expected, line)
        else:
            name, how, rest = line[0], line[1], line[2:].strip()
            c = self.conn(name)
            try:
                if how == ":":
                    self.note(line, c.call(*self.expand(words(rest))))
                elif how == "~":
                    self.note(line, shape(c.call(*self.expand(words(rest)))))
                elif how == "@":
                    self.note(line, sorted(flat(c.call(*self.expand(words(rest))), [])))
                elif how == ">":
                    c.send(*self.expand(words(rest)))
                elif how == "<":
                    self.note(line, c.read())
                elif how == "?":
                    self.note(line, bool(c.buf or select.select([c.sock], [], [], 0.05)[0]))
                elif how == "!":
                    c.sock.settimeout(5)
                    self.note(line, c.sock.recv(100) == b"")
                else:
                    raise ValueError(line)
            except (ConnectionError, TimeoutError, OSError) as e:
                self.note(line, "no answer: " + type(e).__name__)

    def wait(self, condition, what):
        deadline = time.monotonic() + 5
        while not condition():
            if time.monotonic() > deadline:
                self.note(what, "never")
                return
            time.sleep(0.002)


def scenarios(path):
    name, lines = None, []
    for line in path.read_text().splitlines():
        line = line.strip()
        if line.startswith("# "):
            if name:
                yield name, lines
            name, lines = line[2:], []
        elif line:
            lines.append(line)
    if name:
        yield name, lines


def main():
    tally = harness.Tally()
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    with RealRedis() as real, stele() as server:
        players = Player(real.port), Player(port_of(server))
        for path in sorted((HERE / "sessions").glob("*.txt")):
            for name, lines in scenarios(path):
                if only not in name:
                    continue
                for p in players:
                    p.reset()
                    p.transcript = []
                    for p.at, line in enumerate(lines, 1):
                        p.play(line)
                differences = ["%s\n    redis %.600r\n    stele %.600r" % (a[0], a[1], b[1]) for a, b in zip(*(p.transcript for p in players)) if a != b]
                if len(players[0].transcript) != len(players[1].transcript):
                    differences.append("transcripts of %d and %d lines" % tuple(len(p.transcript) for p in players))
                tally.check("%s: %s" % (path.stem, name), not differences, "\n  " + "\n  ".join(differences[:6]))
                if not server.alive():
                    print(server.output()[-3000:])
                    tally.done()
    tally.done()


if __name__ == "__main__":
    main()
