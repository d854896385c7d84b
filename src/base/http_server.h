// An HTTP/1.1 server for the doors that speak JSON over HTTP: keep-alive, chunked bodies, gzip both ways,
// Expect: 100-continue, TLS, limits. A door gives one handler; the server parses and renders.
//
// Threads: each connection is served by one thread at a time; the handler may block and is called from many
// threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stele {

struct HttpRequest {
  std::string method;    // upper case
  std::string target;    // as sent: path and query
  std::string path;      // undecoded path, without the query
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;      // decoded: chunks joined, gzip unpacked
  std::string remote_address;
  // The first header of that (lower-case) name, or empty.
  std::string_view header(std::string_view name) const;
  // The first query parameter of that name; null if absent.
  const std::string* param(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool close = false;
};

std::string percent_decode(std::string_view s, bool plus_is_space);
std::string percent_encode(std::string_view s);
std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view query);
// Path split at '/', each part percent-decoded; empty parts are left out.
std::vector<std::string> split_path(std::string_view path);
const char* http_reason(int status);

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  // Renders failures that happen before a handler can run (malformed request 400, body too large 413, too
  // many connections 503).
  using ErrorRenderer = std::function<HttpResponse(int status, std::string_view reason)>;
  struct Options {
    std::string address = "127.0.0.1";
    uint16_t port = 0;               // 0: any free one
    uint64_t max_body_bytes = 100ull << 20;
    size_t max_header_bytes = 64 << 10;
    int max_connections = 2000;
    int idle_timeout_s = 300;
    std::string tls_certificate, tls_key;  // PEM files; both or none
  };
  // Throws Error(kObjectInUse) when the port is taken.
  HttpServer(Options options, Handler handler, ErrorRenderer errors);
  ~HttpServer();                     // stops
  uint16_t port() const;
  // Closes the listener and every connection; returns when their threads have ended.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stele
