#include "base/http_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <boost/beast/core/buffers_cat.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/error.h"

namespace stele {

namespace http = boost::beast::http;

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [n, v] : headers) {
    if (n == name) return v;
  }
  return {};
}
const std::string* HttpRequest::param(std::string_view name) const {
  for (const auto& [n, v] : query) {
    if (n == name) return &v;
  }
  return nullptr;
}

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}
}  // namespace

std::string percent_decode(std::string_view s, bool plus_is_space) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size() && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2])));
      i += 2;
    } else {
      out.push_back(plus_is_space && s[i] == '+' ? ' ' : s[i]);
    }
  }
  return out;
}
std::string percent_encode(std::string_view s) {
  std::string out;
  for (char c : s) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}
std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    const size_t amp = query.find('&');
    const std::string_view part = query.substr(0, amp);
    query.remove_prefix(amp == std::string_view::npos ? query.size() : amp + 1);
    if (part.empty()) continue;
    const size_t eq = part.find('=');
    out.emplace_back(percent_decode(part.substr(0, eq), true),
                     eq == std::string_view::npos ? std::string() : percent_decode(part.substr(eq + 1), true));
  }
  return out;
}
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty()) out.push_back(percent_decode(part, false));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

const char* http_reason(int status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  return text.empty() ? "Unknown" : text.data();
}

namespace {

// One step of inflate or deflate over a whole buffer.
bool gunzip(std::string_view in, uint64_t limit, std::string* out) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 32) != Z_OK) return false;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  char buffer[65536];
  int result = Z_OK;
  while (result == Z_OK && out->size() <= limit) {
    z.next_out = reinterpret_cast<Bytef*>(buffer);
    z.avail_out = sizeof buffer;
    result = inflate(&z, Z_NO_FLUSH);
    out->append(buffer, sizeof buffer - z.avail_out);
    if (z.avail_in == 0 && z.avail_out != 0 && result == Z_OK) break;
  }
  inflateEnd(&z);
  return result == Z_STREAM_END;
}
std::string gzip(std::string_view in) {
  z_stream z{};
  std::string out;
  if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return out;
  out.resize(deflateBound(&z, in.size()));
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// A socket with or without TLS; reads wait at most the idle timeout.
class Stream {
 public:
  Stream(int fd, SSL* ssl, int timeout_s) : fd_(fd), ssl_(ssl), timeout_ms_(timeout_s * 1000) {}
  ~Stream() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    ::close(fd_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // 0 at the end or on failure.
  size_t read(char* to, size_t n) {
    if (ssl_ != nullptr) {
      if (SSL_pending(ssl_) == 0 && !wait(POLLIN)) return 0;
      const int r = SSL_read(ssl_, to, static_cast<int>(n));
      return r > 0 ? static_cast<size_t>(r) : 0;
    }
    for (;;) {
      if (!wait(POLLIN)) return 0;
      const ssize_t r = ::recv(fd_, to, n, 0);
      if (r < 0 && errno == EINTR) continue;
      return r > 0 ? static_cast<size_t>(r) : 0;
    }
  }
  bool write(std::string_view s) {
    while (!s.empty()) {
      ssize_t r = ssl_ != nullptr ? SSL_write(ssl_, s.data(), static_cast<int>(std::min<size_t>(s.size(), 1 << 30)))
                                  : ::send(fd_, s.data(), s.size(), MSG_NOSIGNAL);
      if (r < 0 && ssl_ == nullptr && errno == EINTR) continue;
      if (r <= 0) return false;
      s.remove_prefix(static_cast<size_t>(r));
    }
    return true;
  }

 private:
  bool wait(short events) {
    pollfd p{fd_, events, 0};
    int r;
    do {
      r = ::poll(&p, 1, timeout_ms_);
    } while (r < 0 && errno == EINTR);
    return r > 0;
  }
  int fd_;
  SSL* ssl_;
  int timeout_ms_;
};

}  // namespace

struct HttpServer::Impl {
  Options options;
  Handler handler;
  ErrorRenderer errors;
  int listener = -1;
  uint16_t bound_port = 0;
  SSL_CTX* tls = nullptr;
  std::thread acceptor;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable ended;
  std::set<int> connections;  // sockets being served

  void listen();
  void accept_loop();
  void serve(int fd, const std::string& remote);
  // False when the connection is to be closed.
  bool serve_one(Stream& stream, std::string& input, const std::string& remote);
  void send(Stream& stream, const HttpResponse& response, bool keep_alive, bool head, bool may_gzip);
};

void HttpServer::Impl::listen() {
  if (!options.tls_certificate.empty()) {
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, options.tls_certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, options.tls_key.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw Error(ErrorCode::kInvalidParameterValue, "could not load the TLS certificate \"" + options.tls_certificate + "\"")
          .hint("Give PEM files that this user can read as certificate and key.");
    }
  }
  const bool v6 = options.address.find(':') != std::string::npos;
  listener = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) throw Error(ErrorCode::kSystemError, "could not create a socket");
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a4{};
  sockaddr_in6 a6{};
  a4.sin_family = AF_INET;
  a4.sin_port = htons(options.port);
  a6.sin6_family = AF_INET6;
  a6.sin6_port = htons(options.port);
  const int ok = v6 ? ::inet_pton(AF_INET6, options.address.c_str(), &a6.sin6_addr)
                    : ::inet_pton(AF_INET, options.address.c_str(), &a4.sin_addr);
  if (ok != 1) throw Error(ErrorCode::kInvalidParameterValue, "invalid listen address \"" + options.address + "\"");
  const auto* address = v6 ? reinterpret_cast<sockaddr*>(&a6) : reinterpret_cast<sockaddr*>(&a4);
  const socklen_t length = v6 ? sizeof a6 : sizeof a4;
  if (::bind(listener, address, length) != 0 || ::listen(listener, 512) != 0) {
    const int error = errno;
    ::close(listener);
    listener = -1;
    throw Error(error == EADDRINUSE ? ErrorCode::kObjectInUse : ErrorCode::kSystemError,
                fmt::format("could not listen on {}:{}: {}", options.address, options.port, std::strerror(error)))
        .hint("Stop the program that uses this port, or choose another port.");
  }
  sockaddr_storage bound{};
  socklen_t bound_length = sizeof bound;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &bound_length);
  bound_port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                                 : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

void HttpServer::Impl::accept_loop() {
  while (!stopping.load()) {
    pollfd p{listener, POLLIN, 0};
    if (::poll(&p, 1, 200) <= 0) continue;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    char text[INET6_ADDRSTRLEN] = "";
    const void* raw = peer.ss_family == AF_INET6 ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr)
                                                 : &reinterpret_cast<sockaddr_in*>(&peer)->sin_addr;
    ::inet_ntop(peer.ss_family, raw, text, sizeof text);
    std::unique_lock lock(mutex);
    if (static_cast<int>(connections.size()) >= options.max_connections) {
      lock.unlock();
      Stream stream(fd, nullptr, 1);
      send(stream, errors(503, "too many connections"), false, false, false);
      continue;
    }
    connections.insert(fd);
    lock.unlock();
    std::thread([this, fd, remote = std::string(text)] {
      serve(fd, remote);
    }).detach();
  }
}

void HttpServer::Impl::serve(int fd, const std::string& remote) {
  {
    SSL* ssl = nullptr;
    bool ready = true;
    if (tls != nullptr) {
      ssl = SSL_new(tls);
      SSL_set_fd(ssl, fd);
      ready = SSL_accept(ssl) == 1;
    }
    // The number stays in `connections` until the socket is closed, under the mutex, so that stop() never
    // shuts down a number that has become another file's.
    Stream stream(::dup(fd), ssl, options.idle_timeout_s);
    if (ssl != nullptr) SSL_set_fd(ssl, fd);
    std::string input;
    try {
      while (ready && !stopping.load() && serve_one(stream, input, remote)) {
      }
    } catch (const std::exception&) {
      // Out of memory and the like: this connection ends, the others go on.
    }
    if (ssl != nullptr) SSL_shutdown(ssl);
  }
  std::lock_guard lock(mutex);
  ::shutdown(fd, SHUT_RDWR);
  ::close(fd);
  connections.erase(fd);
  ended.notify_all();
}

bool HttpServer::Impl::serve_one(Stream& stream, std::string& input, const std::string& remote) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<uint32_t>(options.max_header_bytes));
  parser.body_limit(options.max_body_bytes);
  parser.eager(true);
  bool continued = false;
  char buffer[65536];
  boost::beast::error_code ec;
  for (;;) {
    if (!input.empty()) {
      const size_t used = parser.put(boost::asio::buffer(input), ec);
      input.erase(0, used);
      if (ec == http::error::need_more) ec = {};
      if (ec) break;
    }
    if (parser.is_done()) break;
    if (parser.is_header_done() && !continued) {
      continued = true;
      const auto expect = parser.get()[http::field::expect];
      if (lower({expect.data(), expect.size()}) == "100-continue" && !stream.write("HTTP/1.1 100 Continue\r\n\r\n")) return false;
    }
    const size_t n = stream.read(buffer, sizeof buffer);
    if (n == 0) return false;
    input.append(buffer, n);
  }
  if (ec) {
    const bool large = ec == http::error::body_limit;
    send(stream, errors(large ? 413 : 400, large ? "request body is too large" : ec.message()), false, false, false);
    return false;
  }
  auto message = parser.release();
  HttpRequest request;
  request.method.assign(message.method_string().data(), message.method_string().size());
  request.target.assign(message.target().data(), message.target().size());
  request.remote_address = remote;
  const size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) request.query = parse_query_string(std::string_view(request.target).substr(question + 1));
  for (const auto& field : message) {
    request.headers.emplace_back(lower({field.name_string().data(), field.name_string().size()}),
                                 std::string(field.value().data(), field.value().size()));
  }
  request.body = std::move(message.body());
  const std::string encoding = lower(request.header("content-encoding"));
  if ((encoding == "gzip" || encoding == "deflate") && !request.body.empty()) {
    std::string plain;
    const bool good = gunzip(request.body, options.max_body_bytes, &plain);
    if (!good || plain.size() > options.max_body_bytes) {
      send(stream, errors(good || plain.size() > options.max_body_bytes ? 413 : 400, "request body could not be unpacked"), false, false, false);
      return false;
    }
    request.body = std::move(plain);
  }
  const bool keep_alive = message.keep_alive();
  const HttpResponse response = handler(request);
  send(stream, response, keep_alive && !response.close, request.method == "HEAD",
       lower(request.header("accept-encoding")).find("gzip") != std::string::npos);
  return keep_alive && !response.close;
}

void HttpServer::Impl::send(Stream& stream, const HttpResponse& response, bool keep_alive, bool head, bool may_gzip) {
  std::string packed;
  std::string_view body = response.body;
  if (may_gzip && body.size() > 1400) {
    packed = gzip(body);
    if (!packed.empty()) body = packed;
  }
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, http_reason(response.status));
  for (const auto& [name, value] : response.headers) out += fmt::format("{}: {}\r\n", name, value);
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!response.content_type.empty() && !bodiless) out += fmt::format("content-type: {}\r\n", response.content_type);
  if (!packed.empty()) out += "content-encoding: gzip\r\n";
  if (!bodiless) out += fmt::format("content-length: {}\r\n", body.size());
  if (!keep_alive) out += "connection: close\r\n";
  out += "\r\n";
  if (!head && !bodiless) out += body;
  stream.write(out);
}

HttpServer::HttpServer(Options options, Handler handler, ErrorRenderer errors) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->handler = std::move(handler);
  impl_->errors = std::move(errors);
  impl_->listen();
  impl_->acceptor = std::thread([this] { impl_->accept_loop(); });
}
HttpServer::~HttpServer() { stop(); }
uint16_t HttpServer::port() const { return impl_->bound_port; }

void HttpServer::stop() {
  if (impl_->stopping.exchange(true)) return;
  if (impl_->acceptor.joinable()) impl_->acceptor.join();
  if (impl_->listener >= 0) ::close(impl_->listener);
  std::unique_lock lock(impl_->mutex);
  for (int fd : impl_->connections) ::shutdown(fd, SHUT_RDWR);
  impl_->ended.wait(lock, [this] { return impl_->connections.empty(); });
  if (impl_->tls != nullptr) SSL_CTX_free(impl_->tls);
}

}  // namespace stele
