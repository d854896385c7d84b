// One client socket: buffered reading and writing, plain or TLS. Used by whichever thread runs the
// connection at the moment; the descriptor is always non-blocking.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <string>
#include <string_view>

namespace stele::doors::postgres {

// Thrown when the peer is gone or the server shuts down; ends the connection silently.
struct ClientGone {};

class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) {}
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int fd() const { return fd_; }
  bool tls() const { return ssl_ != nullptr; }
  const SSL* ssl() const { return ssl_; }

  enum class Read { kData, kNothing, kClosed };
  // Takes what the socket has without blocking, at most about 256 kB a call. more() tells whether the
  // socket may hold more, so that an edge-triggered watcher must ask again.
  Read read_available();
  bool more() const { return more_; }
  // Blocks until at least one byte arrives; throws ClientGone. `interrupted` is polled four times a
  // second and ends the wait (returns false) when true.
  bool read_blocking(const std::function<bool()>& interrupted);

  std::string_view input() const { return std::string_view(in_).substr(head_); }
  void consume(size_t n);

  std::string out;
  // False when the socket is full (only if !block). Throws ClientGone.
  bool flush(bool block);
  void start_tls(SSL_CTX* context);  // blocking handshake; throws ClientGone

 private:
  Read read_plain();
  Read read_tls();
  void wait(short events, int timeout_ms);
  int fd_;
  SSL* ssl_ = nullptr;
  std::string in_;
  size_t head_ = 0, sent_ = 0;
  bool more_ = false;
};

}  // namespace stele::doors::postgres
