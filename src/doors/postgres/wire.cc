#include "doors/postgres/wire.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace stele::doors::postgres {
namespace {
constexpr size_t kReadBytes = 64 << 10, kReadsPerCall = 4;
constexpr int kHandshakeTimeoutMs = 60000;
}

Wire::~Wire() {
  if (ssl_ != nullptr) {
    SSL_set_quiet_shutdown(ssl_, 1);
    SSL_free(ssl_);
  }
  ::close(fd_);
}

void Wire::consume(size_t n) {
  head_ += n;
  if (head_ == in_.size()) {
    in_.clear();
    head_ = 0;
    if (in_.capacity() > (1 << 20)) in_.shrink_to_fit();
  } else if (head_ > (256 << 10)) {
    in_.erase(0, head_);
    head_ = 0;
  }
}

Wire::Read Wire::read_available() { return ssl_ != nullptr ? read_tls() : read_plain(); }

Wire::Read Wire::read_plain() {
  thread_local char buffer[kReadBytes];
  bool any = false;
  more_ = false;
  for (size_t i = 0; i < kReadsPerCall; ++i) {
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return any ? Read::kData : Read::kNothing;
      return Read::kClosed;
    }
    if (n == 0) return Read::kClosed;
    in_.append(buffer, static_cast<size_t>(n));
    any = true;
    if (static_cast<size_t>(n) < sizeof buffer) return Read::kData;
  }
  more_ = true;
  return Read::kData;
}

Wire::Read Wire::read_tls() {
  thread_local char buffer[kReadBytes];
  bool any = false;
  more_ = false;
  for (size_t i = 0; i < kReadsPerCall * 4; ++i) {
    ERR_clear_error();
    int n = SSL_read(ssl_, buffer, sizeof buffer);
    if (n <= 0) {
      int e = SSL_get_error(ssl_, n);
      if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return any ? Read::kData : Read::kNothing;
      return Read::kClosed;
    }
    in_.append(buffer, static_cast<size_t>(n));
    any = true;
  }
  more_ = true;
  return Read::kData;
}

void Wire::wait(short events, int timeout_ms) {
  pollfd p{fd_, events, 0};
  ::poll(&p, 1, timeout_ms);
}

bool Wire::read_blocking(const std::function<bool()>& interrupted) {
  for (;;) {
    switch (read_available()) {
      case Read::kData: return true;
      case Read::kClosed: throw ClientGone{};
      case Read::kNothing: break;
    }
    if (interrupted && interrupted()) return false;
    wait(POLLIN, 250);
  }
}

bool Wire::flush(bool block) {
  while (sent_ < out.size()) {
    ssize_t n = 0;
    bool full = false;
    if (ssl_ == nullptr) {
      n = ::send(fd_, out.data() + sent_, out.size() - sent_, MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) throw ClientGone{};
        full = true;
      }
    } else {
      ERR_clear_error();
      n = SSL_write(ssl_, out.data() + sent_, static_cast<int>(std::min<size_t>(out.size() - sent_, 1 << 20)));
      if (n <= 0) {
        int e = SSL_get_error(ssl_, static_cast<int>(n));
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) throw ClientGone{};
        full = true;
      }
    }
    if (full) {
      if (!block) return false;
      wait(POLLOUT | (ssl_ != nullptr ? POLLIN : 0), 1000);
      continue;
    }
    sent_ += static_cast<size_t>(n);
  }
  sent_ = 0;
  out.clear();
  if (out.capacity() > (1 << 20)) out.shrink_to_fit();
  return true;
}

void Wire::start_tls(SSL_CTX* context) {
  ssl_ = SSL_new(context);
  if (ssl_ == nullptr) throw ClientGone{};
  SSL_set_fd(ssl_, fd_);
  SSL_set_mode(ssl_, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  int waited = 0;
  for (;;) {
    ERR_clear_error();
    int n = SSL_accept(ssl_);
    if (n == 1) return;
    int e = SSL_get_error(ssl_, n);
    if ((e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) || waited >= kHandshakeTimeoutMs) throw ClientGone{};
    wait(e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, 250);
    waited += 250;
  }
}

}  // namespace stele::doors::postgres
