"""A real PostgreSQL 15 in a temporary folder, byte-order collation, its own port."""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time


class RealPostgres:
    def __init__(self, *settings):
        found = sorted(glob.glob("/usr/lib/postgresql/15/bin"))
        if not found:
            raise RuntimeError("PostgreSQL 15 is not installed")
        self.bin = found[-1]
        self.settings = settings

    def as_server(self, *command, **more):
        """The server refuses to run as root: become an unprivileged user for it."""
        if os.getuid() == 0:
            user = "postgres" if any(p.pw_name == "postgres" for p in pwd.getpwall()) else "nobody"
            entry = pwd.getpwnam(user)

            def demote():
                os.setgroups([])
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
            more["preexec_fn"] = demote
            more["env"] = dict(os.environ, HOME=self.folder)
        return subprocess.Popen(command, cwd="/", **more)

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="stele-oracle-")
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres" if any(p.pw_name == "postgres" for p in pwd.getpwall()) else "nobody")
        data = self.folder + "/data"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        init = self.as_server(self.bin + "/initdb", "-D", data, "-U", "postgres", "--locale=C.UTF-8", "-E", "UTF8", "-A", "trust", "-N", **quiet)
        _, errors = init.communicate()
        if init.returncode != 0:
            raise RuntimeError(errors.decode())
        arguments = ["-p", str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "TimeZone=UTC"]
        for s in self.settings:
            arguments += ["-c", s]
        self.log = open(self.folder + "/log", "wb")
        self.process = self.as_server(self.bin + "/postgres", "-D", data, *arguments, stdout=self.log, stderr=self.log)
        for _ in range(300):
            ready = subprocess.run([self.bin + "/pg_isready", "-h", "127.0.0.1", "-p", str(self.port)], stdout=subprocess.DEVNULL)
            if ready.returncode == 0:
                return self
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not start: " + open(self.folder + "/log").read()[-2000:])

    def __exit__(self, *_):
        self.process.send_signal(2)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
