"""A small PostgreSQL client that shows everything the wire carries: types, tags, notices, every error field."""
import socket
import struct


class WireError(Exception):
    pass


class Result:
    """One statement's outcome."""

    def __init__(self):
        self.columns = None   # [(name, type oid, typmod)]
        self.rows = []        # lists of str or None
        self.tag = None
        self.error = None     # {field letter: text}
        self.notices = []
        self.copy_out = None

    def __repr__(self):
        return f"Result(columns={self.columns}, rows={self.rows[:5]}, tag={self.tag}, error={self.error})"


class Connection:
    def __init__(self, port, user="postgres", database="stele", host="127.0.0.1", timeout=60, options=None):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.parameters = {}
        self.notifications = []
        self.status = None
        body = struct.pack("!I", 196608)
        for key, value in {"user": user, "database": database, **(options or {})}.items():
            body += key.encode() + b"\0" + value.encode() + b"\0"
        body += b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        while True:
            kind, body = self.message()
            if kind == b"R":
                code = struct.unpack("!I", body[:4])[0]
                if code != 0:
                    raise WireError(f"authentication {code} is not supported here")
            elif kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif kind == b"K":
                self.pid, self.secret = struct.unpack("!ii", body)
            elif kind == b"E":
                raise WireError(fields(body).get("M"))
            elif kind == b"Z":
                self.status = body.decode()
                return

    def receive(self, n):
        while len(self.buffer) < n:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise WireError("the server closed the connection")
            self.buffer += chunk
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def message(self):
        head = self.receive(5)
        return head[:1], self.receive(struct.unpack("!I", head[1:])[0] - 4)

    def send(self, kind, body=b""):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def start(self, sql):
        self.send(b"Q", sql.encode() + b"\0")

    def query(self, sql, copy_data=None):
        """Runs a text; returns a list of Results."""
        self.start(sql)
        return self.finish(copy_data)

    def finish(self, copy_data=None):
        results, current = [], Result()

        def close():
            nonlocal current
            results.append(current)
            current = Result()

        while True:
            kind, body = self.message()
            if kind == b"T":
                current.columns = []
                (n,), at = struct.unpack("!H", body[:2]), 2
                for _ in range(n):
                    end = body.index(b"\0", at)
                    name = body[at:end].decode(errors="replace")
                    _, _, oid, _, typmod, _ = struct.unpack("!IhIhih", body[end + 1:end + 19])
                    at = end + 19
                    current.columns.append((name, oid, typmod))
            elif kind == b"D":
                (n,), at, row = struct.unpack("!H", body[:2]), 2, []
                for _ in range(n):
                    size = struct.unpack("!i", body[at:at + 4])[0]
                    at += 4
                    if size < 0:
                        row.append(None)
                    else:
                        row.append(body[at:at + size].decode(errors="replace"))
                        at += size
                current.rows.append(row)
            elif kind == b"C":
                current.tag = body.rstrip(b"\0").decode()
                close()
            elif kind == b"I":
                current.tag = ""
                close()
            elif kind == b"E":
                current.error = fields(body)
                close()
            elif kind == b"N":
                current.notices.append(fields(body))
            elif kind == b"A":
                pid = struct.unpack("!I", body[:4])[0]
                channel, payload = body[4:].split(b"\0")[:2]
                self.notifications.append((pid, channel.decode(), payload.decode()))
            elif kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif kind == b"G":
                self.send(b"d", (copy_data or "").encode())
                self.send(b"c")
            elif kind == b"H":
                current.copy_out = ""
            elif kind == b"d":
                current.copy_out += body.decode(errors="replace")
            elif kind == b"c":
                pass
            elif kind == b"Z":
                self.status = body.decode()
                if current.notices:
                    close()
                return results
            else:
                raise WireError(f"unexpected message {kind!r}")

    def close(self):
        try:
            self.send(b"X")
        except OSError:
            pass
        self.socket.close()


def fields(body):
    out = {}
    for part in body.split(b"\0"):
        if part:
            out[chr(part[0])] = part[1:].decode(errors="replace")
    return out
