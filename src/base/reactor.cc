#include "base/reactor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

namespace stele {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kIoError, what + ": " + std::strerror(errno));
}

std::string peer_name(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(in.sin6_port));
  }
  return "unix:0";
}

}  // namespace

struct Reactor::Listener : FdHandler {
  int fd = -1;
  std::string path;
  std::function<void(int, std::string)> accepted;
  ~Listener() override {
    if (fd >= 0) ::close(fd);
    if (!path.empty()) ::unlink(path.c_str());
  }
  void on_event(uint32_t) override {
    for (int i = 0; i < 256; ++i) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      int client = ::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return;
      int one = 1;
      if (path.empty()) setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      accepted(client, path.empty() ? peer_name(address) : path + ":0");
    }
  }
};

Connection::Connection(Reactor& reactor, int fd) : reactor_(&reactor), fd_(fd) {}

Connection::~Connection() {
  if (fd_ >= 0) {
    if (attached_) reactor_->unwatch(fd_);
    ::close(fd_);
  }
  reactor_->forget(this);
}

void Connection::attach() {
  if (attached_ || fd_ < 0) return;
  attached_ = true;
  interest_ = (paused_ ? 0u : static_cast<uint32_t>(EPOLLIN)) | (want_write_ ? EPOLLOUT : 0u);
  reactor_->watch(fd_, interest_, this);
}

void Connection::detach() {
  if (!attached_) return;
  attached_ = false;
  reactor_->unwatch(fd_);
  reactor_->forget(this);
}

void Connection::pause_input(bool paused) {
  paused_ = paused;
  update_interest();
}

void Connection::hold_output(bool held) {
  held_ = held;
  update_interest();
}

void Connection::update_interest() {
  if (!attached_ || fd_ < 0) return;
  uint32_t wanted = (paused_ || closing_ ? 0u : static_cast<uint32_t>(EPOLLIN)) |
                    (want_write_ && !held_ ? EPOLLOUT : 0u);
  if (wanted == interest_) return;
  interest_ = wanted;
  reactor_->change(fd_, interest_, this);
}

bool Connection::read_some() {
  std::string& raw = input.raw();
  if (input.head() > 0 && input.head() * 2 >= raw.size()) input.compact();
  thread_local char chunk[65536];
  for (int round = 0; round < 4; ++round) {
    ssize_t got = 0;
    do {
      got = ::recv(fd_, chunk, sizeof chunk, 0);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    raw.append(chunk, static_cast<size_t>(got));
    if (static_cast<size_t>(got) < sizeof chunk) return true;
  }
  return true;
}

bool Connection::flush() {
  if (fd_ < 0) return false;
  if (held_) return true;
  while (!output.empty()) {
    std::string_view v = output.view();
    ssize_t sent = ::send(fd_, v.data(), v.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        want_write_ = true;
        if (output.head() > (1 << 20)) output.compact();
        update_interest();
        return true;
      }
      close();
      return false;
    }
    output.consume(static_cast<size_t>(sent));
  }
  if (output.capacity() > (1 << 20)) output.release_memory();
  if (want_write_) {
    want_write_ = false;
    update_interest();
  }
  if (closing_) {
    close();
    return false;
  }
  return true;
}

void Connection::close_after_flush() {
  closing_ = true;
  update_interest();
}

void Connection::close() {
  if (fd_ < 0) return;
  if (attached_) reactor_->unwatch(fd_);
  attached_ = false;
  reactor_->forget(this);
  ::close(fd_);
  fd_ = -1;
  if (on_closed) {
    auto f = std::move(on_closed);
    on_closed = nullptr;
    f();
  }
}

void Connection::on_event(uint32_t events) {
  if (events & EPOLLOUT) {
    if (!flush()) return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    if (paused_ || closing_) {
      if (events & (EPOLLHUP | EPOLLERR)) close();
      return;
    }
    if (!read_some()) {
      close();
      return;
    }
    if (on_input) on_input();
  }
}

Reactor::Reactor() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("could not create an epoll instance");
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0) fail("could not create an eventfd");
  watch(wake_, EPOLLIN, nullptr);
  thread_id_ = std::this_thread::get_id();
}

Reactor::~Reactor() {
  stop();
  listeners_.clear();
  ::close(wake_);
  ::close(epoll_);
}

uint16_t Reactor::listen(const std::string& address, uint16_t port,
                         std::function<void(int, std::string)> accepted) {
  auto listener = std::make_unique<Listener>();
  listener->accepted = std::move(accepted);
  uint16_t bound = port;
  if (!address.empty() && address[0] == '/') {
    listener->fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::strncpy(un.sun_path, address.c_str(), sizeof un.sun_path - 1);
    ::unlink(address.c_str());
    if (::bind(listener->fd, reinterpret_cast<sockaddr*>(&un), sizeof un) < 0)
      fail("could not bind to " + address);
    listener->path = address;
  } else {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    std::string service = std::to_string(port);
    if (getaddrinfo(address.empty() || address == "*" ? nullptr : address.c_str(),
                    service.c_str(), &hints, &found) != 0 || found == nullptr)
      throw Error(ErrorCode::kIoError, "could not resolve the address " + address);
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, freeaddrinfo);
    listener->fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) fail("could not create a socket");
    int one = 1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(listener->fd, found->ai_addr, found->ai_addrlen) < 0)
      fail(fmt::format("could not bind to {}:{}", address, port));
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    getsockname(listener->fd, reinterpret_cast<sockaddr*>(&name), &size);
    bound = ntohs(name.ss_family == AF_INET6
                      ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                      : reinterpret_cast<sockaddr_in&>(name).sin_port);
  }
  if (::listen(listener->fd, 511) < 0) fail("could not listen");
  watch(listener->fd, EPOLLIN, listener.get());
  listeners_.push_back(std::move(listener));
  return bound;
}

void Reactor::close_listeners() {
  for (auto& l : listeners_) {
    unwatch(l->fd);
    forget(l.get());
  }
  listeners_.clear();
}

void Reactor::start() {
  thread_ = std::thread([this] { run(); });
}

void Reactor::run() {
  thread_id_ = std::this_thread::get_id();
  while (!stop_.load(std::memory_order_relaxed)) run_once(1000);
  run_tasks();
}

void Reactor::stop() {
  stop_ = true;
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_, &one, sizeof one);
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void Reactor::post(std::function<void()> task) {
  {
    std::lock_guard lock(tasks_mutex_);
    tasks_.push_back(std::move(task));
    has_tasks_ = true;
  }
  if (!in_loop()) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t n = ::write(wake_, &one, sizeof one);
  }
}

void Reactor::run_tasks() {
  while (has_tasks_.load(std::memory_order_relaxed)) {
    std::vector<std::function<void()>> tasks;
    {
      std::lock_guard lock(tasks_mutex_);
      tasks.swap(tasks_);
      has_tasks_ = false;
    }
    for (auto& t : tasks) t();
  }
}

uint64_t Reactor::add_timer(int64_t delay_us, std::function<int64_t()> f) {
  uint64_t id = next_timer_++;
  timers_[id] = {system_clock().monotonic_us() + delay_us, std::move(f)};
  return id;
}

void Reactor::cancel_timer(uint64_t id) { timers_.erase(id); }

int64_t Reactor::run_timers() {
  if (timers_.empty()) return -1;
  int64_t now = system_clock().monotonic_us();
  std::vector<uint64_t> due;
  for (auto& [id, t] : timers_)
    if (t.due_us <= now) due.push_back(id);
  for (uint64_t id : due) {
    auto it = timers_.find(id);
    if (it == timers_.end()) continue;
    auto f = it->second.f;
    it->second.due_us = INT64_MAX;  // a nested round must not run it again
    int64_t next = f();
    it = timers_.find(id);
    if (it == timers_.end()) continue;
    if (next < 0) timers_.erase(it);
    else it->second.due_us = system_clock().monotonic_us() + next;
  }
  int64_t nearest = INT64_MAX;
  for (auto& [id, t] : timers_) nearest = std::min(nearest, t.due_us);
  return nearest == INT64_MAX ? -1 : std::max<int64_t>(0, nearest - system_clock().monotonic_us());
}

void Reactor::watch(int fd, uint32_t events, FdHandler* handler) {
  epoll_event e{};
  e.events = events;
  e.data.ptr = handler;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
}

void Reactor::change(int fd, uint32_t events, FdHandler* handler) {
  epoll_event e{};
  e.events = events;
  e.data.ptr = handler;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &e);
}

void Reactor::unwatch(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void Reactor::forget(FdHandler* handler) {
  if (depth_ > 0) forgotten_.push_back(handler);
}

void Reactor::run_once(int timeout_ms) {
  constexpr int kMaxEvents = 256;
  epoll_event events[kMaxEvents];
  int64_t wait_us = run_timers();
  int wait = timeout_ms;
  if (wait_us >= 0) wait = static_cast<int>(std::min<int64_t>(wait, (wait_us + 999) / 1000));
  if (has_tasks_.load(std::memory_order_relaxed)) wait = 0;
  int n = epoll_wait(epoll_, events, kMaxEvents, wait);
  ++depth_;
  for (int i = 0; i < n; ++i) {
    auto* handler = static_cast<FdHandler*>(events[i].data.ptr);
    if (handler == nullptr) {
      uint64_t count;
      [[maybe_unused]] ssize_t got = ::read(wake_, &count, sizeof count);
      continue;
    }
    if (!forgotten_.empty() &&
        std::find(forgotten_.begin(), forgotten_.end(), handler) != forgotten_.end())
      continue;
    handler->on_event(events[i].events);
  }
  if (--depth_ == 0) forgotten_.clear();
  run_tasks();
  for (auto& f : round_hooks_) f();
}

}  // namespace stele
