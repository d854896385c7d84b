// MIGRATE: keys as dumps to another server. As in Redis nothing else runs meanwhile, for the timeout at most, so that a
// key is never on both sides or on none for other clients.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

// A connection whose every operation ends by the deadline.
class Target {
 public:
  explicit Target(int64_t timeout_ms) : deadline_us_(system_clock().monotonic_us() + timeout_ms * 1000) {}
  ~Target() { if (fd_ >= 0) ::close(fd_); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // False: it took too long. A refusal shows at the first send.
  bool connect(const std::string& host, const std::string& port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0 || found == nullptr) return false;
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, freeaddrinfo);
    fd_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return false;
    int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd_, found->ai_addr, found->ai_addrlen) == 0 || errno == ECONNREFUSED) return true;
    return errno == EINPROGRESS && wait(POLLOUT);
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
      else if ((errno != EAGAIN && errno != EWOULDBLOCK) || !wait(POLLOUT)) return false;
    }
    return true;
  }
  // One line of a reply, without its end.
  bool line(std::string* out) {
    size_t end;
    while ((end = input_.find("\r\n")) == std::string::npos) {
      char chunk[4096];
      ssize_t n = ::recv(fd_, chunk, sizeof chunk, 0);
      if (n > 0) input_.append(chunk, static_cast<size_t>(n));
      else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || !wait(POLLIN)) return false;
    }
    *out = input_.substr(0, end);
    input_.erase(0, end + 2);
    return true;
  }

 private:
  bool wait(short events) {
    int64_t left_ms = (deadline_us_ - system_clock().monotonic_us() + 999) / 1000;
    pollfd p{fd_, events, 0};
    return left_ms > 0 && ::poll(&p, 1, static_cast<int>(left_ms)) > 0;
  }
  int fd_ = -1;
  int64_t deadline_us_;
  std::string input_;
};

void add_command(std::string& out, std::initializer_list<std::string_view> words) {
  size_t given = 0;
  for (auto w : words) given += w.data() != nullptr;
  out += fmt::format("*{}\r\n", given);
  for (auto w : words)
    if (w.data() != nullptr) out += fmt::format("${}\r\n{}\r\n", w.size(), w);
}

}  // namespace

void cmd_migrate(Call& c) {
  bool copy = false, replace = false;
  std::string_view user, password;
  size_t first = 3, count = 1;
  for (size_t i = 6; i < c.argc(); ++i) {
    size_t more = c.argc() - i - 1;
    if (c.is(i, "copy")) copy = true;
    else if (c.is(i, "replace")) replace = true;
    else if (c.is(i, "auth") && more > 0) password = c[++i];
    else if (c.is(i, "auth2") && more > 1) { user = c[i + 1]; password = c[i + 2]; i += 2; }
    else if (c.is(i, "keys")) {
      if (!c[3].empty()) { c.fail("When using MIGRATE KEYS option, the key argument must be set to the empty string"); return; }
      first = i + 1;
      count = c.argc() - first;
      break;
    } else { c.syntax_error(); return; }
  }
  int64_t timeout, db;
  if (!c.get_int(5, &timeout) || !c.get_int(4, &db)) return;
  if (timeout <= 0) timeout = 1000;
  std::vector<std::string> keys;
  std::string out;
  if (password.data() != nullptr) add_command(out, {"AUTH", user, password});
  add_command(out, {"SELECT", std::to_string(db)});
  for (size_t i = first; i < first + count; ++i) {
    Entry* e = c.ks.lookup_read(c.db, c[i]);
    if (e == nullptr) continue;
    keys.emplace_back(c[i]);
    int64_t when = c.ks.expire_of(c.db, e);
    std::string ttl = std::to_string(when < 0 ? 0 : std::max<int64_t>(1, when - c.ks.now_ms()));
    add_command(out, {"RESTORE", c[i], ttl, dump_value(e->value), replace ? std::string_view("REPLACE") : std::string_view()});
  }
  if (keys.empty()) { c.reply.simple("NOKEY"); return; }

  Target target(timeout);
  if (!target.connect(std::string(c[1]), std::string(c[2]))) { c.fail("-IOERR error or timeout connecting to the client"); return; }
  if (!target.send(out)) { c.fail("-IOERR error or timeout writing to target instance"); return; }
  std::string line, error;
  bool broken = false;
  for (int i = password.data() != nullptr ? 0 : 1; i < 2 && !broken; ++i) {
    broken = !target.line(&line);
    if (!broken && line[0] == '-' && error.empty()) error = line;
  }
  bool refused = !error.empty();
  for (auto& key : keys) {
    if (broken || refused || (broken = !target.line(&line))) break;
    if (line.empty() || line[0] == '-') {
      if (error.empty()) error = line;
      continue;
    }
    if (copy) continue;
    c.ks.remove(c.db, key);
    c.changed(key, kNotifyGeneric, "del");
  }
  if (!error.empty()) c.fail("Target instance replied with error: " + error.substr(1));
  else if (broken) c.fail("-IOERR error or timeout reading to target instance");
  else c.reply.ok();
}

}  // namespace stele::keyspace
