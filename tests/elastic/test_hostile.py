"""Input that means harm gets Elasticsearch's error and leaves the server in health. Run it with STELE_SERVER of a sanitizer build, too."""
import http.client
import json
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402


def main():
    tally = harness.Tally()
    with harness.Server(doors=("elasticsearch",)) as server:
        port = server.ports["elasticsearch"]

        def call(method, path, body=None, headers=None):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
            try:
                c.request(method, path, data, headers if headers is not None else {"Content-Type": "application/json"})
                r = c.getresponse()
                text = r.read()
            finally:
                c.close()
            try:
                return r.status, json.loads(text)
            except ValueError:
                return r.status, {"text": text[:200]}

        call("PUT", "/t/_doc/1", {"a": "some words to look for", "k": "a" * 200})

        def refused(name, got, types, statuses=(400,)):
            status, reply = got
            error = reply.get("error", {})
            kind = error.get("type") if isinstance(error, dict) else error
            tally.check(name, status in statuses and (types is None or kind in types), (status, str(reply)[:300]))
            tally.check(f"{name}: the server lives", server.alive() and call("GET", "/t/_count")[1].get("count") == 1, "")

        deep = "[" * 100000 + "]" * 100000
        refused("deep JSON as a query", call("POST", "/t/_search", '{"query":' + '{"bool":{"must":' * 2000 + "{}" + "}}" * 2000 + "}"), None)
        refused("deep JSON as a document", call("PUT", "/t/_doc/2", '{"a":' + deep + "}"), None)
        refused("deep query string", call("POST", "/t/_search", {"query": {"query_string": {"query": "(" * 20000 + "a" + ")" * 20000}}}), None, (400, 500))
        refused("huge from", call("POST", "/t/_search", {"from": 2000000000}), ("search_phase_execution_exception", "illegal_argument_exception"))
        refused("huge size", call("POST", "/t/_search", {"size": 2000000000}), ("search_phase_execution_exception", "illegal_argument_exception"))
        refused("from beyond integers", call("POST", "/t/_search", '{"from": 99999999999999999999999}'), None)
        refused("negative size", call("POST", "/t/_search", {"size": -5}), ("illegal_argument_exception", "parsing_exception"))
        for bomb in ("(a+)+$", "(a|a)*b", "a{1,1000}{1,1000}", "((a{100}){100}){100}", "." * 20000, "(" * 5000 + ")" * 5000):
            status, reply = call("POST", "/t/_search", {"query": {"regexp": {"k.keyword": bomb}}})
            tally.check(f"regular expression {bomb[:20]}", status in (200, 400), (status, str(reply)[:200]))
        tally.equal("after the bombs", call("GET", "/t/_count")[1]["count"], 1)
        status, reply = call("POST", "/t/_search", {"query": {"wildcard": {"k.keyword": "*a" * 500}}})
        tally.check("wildcard bomb", status in (200, 400), (status, reply))
        refused("many clauses", call("POST", "/t/_search", {"query": {"bool": {"should": [{"term": {"a": str(i)}} for i in range(50000)]}}}), None, (200, 400, 500))
        refused("malformed JSON", call("POST", "/t/_search", '{"query": {"match_all": {'), ("parsing_exception", "x_content_parse_exception", "json_parse_exception", "x_content_e_o_f_exception", "json_e_o_f_exception"))
        refused("not UTF-8", call("PUT", "/t/_doc/3", b'{"a": "\xff\xfe"}'), None)
        refused("bulk without newline", call("POST", "/_bulk", '{"index":{"_index":"t"}}'), ("illegal_argument_exception",))
        refused("empty bulk", call("POST", "/_bulk", ""), ("parse_exception",))
        refused("a body of no type", call("POST", "/t/_search", "{}", {}), None, (406, 400))
        refused("field explosion", call("PUT", "/t/_doc/4", {f"f{i}": 1 for i in range(1500)}), None)
        refused("immense term", call("PUT", "/kw", {"mappings": {"properties": {"k": {"type": "keyword"}}}})[0] and call("PUT", "/kw/_doc/1", {"k": "x" * 40000}), None)
        refused("buckets without end", call("POST", "/t/_search", {"size": 0, "aggs": {"h": {"histogram": {"field": "a", "interval": 1e-300}}}}), None, (200, 400))
        # More than the door takes: refused by its announced length, before it is read.
        s = socket.create_connection(("127.0.0.1", port), timeout=30)
        s.sendall(b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000000\r\n\r\n")
        head = s.recv(4096).decode(errors="replace")
        s.close()
        tally.check("oversized bulk", head.startswith("HTTP/1.1 413"), head[:200])
        for junk in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n"):
            s = socket.create_connection(("127.0.0.1", port), timeout=10)
            try:
                s.sendall(junk)
                s.settimeout(5)
                s.recv(1000)
            except OSError:
                pass
            s.close()
        tally.check("after junk", call("GET", "/")[0] == 200)
        tally.check("ended in good order", server.stop() == 0, server.output()[-1500:])
    tally.done()


main()
