"""A bare RESP client: replies as Python values that keep the protocol's own types apart."""
import socket


class Err(str):
    def __repr__(self):
        return "Err(%s)" % str.__repr__(self)


class Status(str):
    def __repr__(self):
        return "Status(%s)" % str.__repr__(self)


class Typed(tuple):
    """A RESP3 type with no counterpart: (tag, value)."""


class Conn:
    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.buf = b""

    @staticmethod
    def encode(*args):
        out = [b"*%d\r\n" % len(args)]
        for a in args:
            if not isinstance(a, bytes):
                a = str(a).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(a), a))
        return b"".join(out)

    def send(self, *args):
        self.sock.sendall(self.encode(*args))

    def raw(self, data):
        self.sock.sendall(data)

    def _fill(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError("closed")
        self.buf += got

    def _line(self):
        while b"\r\n" not in self.buf:
            self._fill()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def _exact(self, n):
        while len(self.buf) < n:
            self._fill()
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def read(self):
        line = self._line()
        tag, rest = line[:1], line[1:]
        if tag == b"+":
            return Status(rest.decode("latin1"))
        if tag == b"-":
            return Err(rest.decode("latin1"))
        if tag == b":":
            return int(rest)
        if tag == b"$":
            n = int(rest)
            return None if n < 0 else self._exact(n + 2)[:-2]
        if tag == b"*":
            n = int(rest)
            return None if n < 0 else [self.read() for _ in range(n)]
        if tag == b"_":
            return None
        if tag in (b",", b"(", b"#"):
            return Typed((tag.decode(), rest))
        if tag == b"=":
            return Typed(("=", self._exact(int(rest) + 2)[:-2]))
        if tag in (b"~", b">"):
            return Typed((tag.decode(), [self.read() for _ in range(int(rest))]))
        if tag in (b"%", b"|"):
            pairs = [(self.read(), self.read()) for _ in range(int(rest))]
            if tag == b"|":
                return Typed(("|", [pairs, self.read()]))
            return Typed(("%", pairs))
        raise ValueError("bad reply %r" % line)

    def call(self, *args):
        self.send(*args)
        return self.read()

    @staticmethod
    def check(reply):
        if isinstance(reply, Err):
            raise RuntimeError(reply)
        return reply

    def must(self, *args):
        """call(), with an error reply raised."""
        return self.check(self.call(*args))

    def close(self):
        self.sock.close()
