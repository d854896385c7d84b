"""Families of the REST API, each a text in rest/: requests and what their replies must say.

    ## name                       a case: everything is deleted before it
    PUT /index/_doc/1 {"a": 1}    a request; the body may go on in lines that start with a blank or '{' (a line each in bulk requests)
    = 404                         its status, when it is not 200 or 201
    ? hits.total.value = 1        a member of the reply ('$body' is all of it, '\\.' a dot in a name), JSON on the right
    ? hits.hits #= 2              its length
    ? hits.max_score ~= 1.5       a number, nearly
    ? error.reason has [x]        contains the text
    ? took !                      is there
    ? hits.max_score none         is not there

test_rest.py [--port N] [file or case ...]: against a running server; all cases otherwise, in a server of their own."""
import http.client
import json
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
REQUEST = re.compile(r"(GET|PUT|POST|DELETE|HEAD) (/\S*)\s*(.*)")
METHOD = {"=": lambda a, b: a == b, "#=": lambda a, b: len(a) == b, "~=": lambda a, b: abs(a - b) <= 1e-5 * max(1.0, abs(b)),
          "has": lambda a, b: b in a, "matches": lambda a, b: re.search(b, a) is not None, ">=": lambda a, b: a >= b, "!=": lambda a, b: a != b}


class Door:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __call__(self, method, path, body):
        self.connection.request(method, urllib.parse.quote(path, safe="/?&=%,*:+()<>{}-"), body.encode() if body else None, {"Content-Type": "application/json"} if body else {})
        reply = self.connection.getresponse()
        text = reply.read().decode()
        try:
            return reply.status, json.loads(text)
        except ValueError:
            return reply.status, text

    def clean(self):
        for path in ("/_data_stream/*?expand_wildcards=all", "/*?expand_wildcards=all", "/_index_template/*", "/_template/*", "/_component_template/*"):
            self("DELETE", path, None)
        for name in self("GET", "/_ingest/pipeline", None)[1]:
            self("DELETE", "/_ingest/pipeline/" + name, None)


def member(value, path):
    if path == "$body":
        return value
    for part in re.split(r"(?<!\\)\.", path):
        part = part.replace("\\.", ".")
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def run(door, lines):
    """What is wrong with the replies of a case."""
    status, reply, request, checked = 200, None, None, True

    def send():
        nonlocal status, reply, checked
        method, path, body = request
        status, reply = door(method, path, body + ("\n" if "\n" in body else ""))
        checked = False

    waiting = skip = False
    for number, line in lines + [(0, "end")]:
        if waiting and line[:1] in (" ", "{"):
            request = (request[0], request[1], request[2] + ("\n" if request[2] else "") + line.strip())
            continue
        if waiting:
            send()
            waiting = False
        if not line.startswith("=") and not checked:
            if status not in (200, 201):
                yield f"{request[:2]}: status {status}: {json.dumps(reply)[:900]}"
                skip = True
            checked = True
        if line == "end":
            return
        found = REQUEST.fullmatch(line)
        if found:
            request, waiting, skip = found.groups(), True, False
        elif line.startswith("="):
            checked = True
            if status != int(line[1:]):
                yield f"line {number}: {request[:2]}: status {status}, not {line[1:]}: {json.dumps(reply)[:900]}"
                skip = True
        elif skip:
            continue
        elif line.startswith("?"):
            path, how, *want = line[1:].strip().split(" ", 2)
            try:
                got = member(reply, path)
            except (KeyError, IndexError, TypeError):
                if how == "none":
                    continue
                yield f"line {number}: {request[:2]} has no {path}: {json.dumps(reply)[:900]}"
                continue
            if how == "none":
                yield f"line {number}: {request[:2]} has {path}: {got!r}"
                continue
            if how == "!":
                continue
            wanted = want[0] if how in ("has", "matches") else json.loads(want[0])
            try:
                same = METHOD[how](got, wanted)
            except TypeError:
                same = False
            if not same:
                yield f"line {number}: {request[:2]}: {path} is {json.dumps(got)[:700]}"
        else:
            yield f"line {number} is nothing known: {line}"


def main():
    arguments, port = sys.argv[1:], None
    if arguments[:1] == ["--port"]:
        port, arguments = int(arguments[1]), arguments[2:]
    cases = []
    for file in sorted((HERE / "rest").glob("*.txt")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line.startswith("## "):
                cases.append((file.stem, line[3:], []))
            elif line.strip() and not line.startswith("#"):
                cases[-1][2].append((number, line.rstrip()))
    if arguments:
        cases = [c for c in cases if c[0] in arguments or c[1] in arguments]

    def all_of(door):
        failed = 0
        for file, name, lines in cases:
            door.clean()
            try:
                problems = list(run(door, lines))
            except Exception as e:
                problems = [repr(e)]
                door.connection.close()
            failed += bool(problems)
            for problem in problems:
                print(f"FAILED {file}: {name}: {problem}")
        print(f"{len(cases) - failed} passed, {failed} failed")
        return 1 if failed else 0

    if port:
        return all_of(Door(port))
    with harness.Server(doors=("elasticsearch",)) as server:
        return all_of(Door(server.ports["elasticsearch"]))


sys.exit(main())
