// Event loop threads for the doors: epoll, listeners, timers, posted tasks and buffered connections.
// Knows no protocol.
//
// Threads: a Reactor's methods belong to its loop thread unless marked "any thread". A Connection
// belongs to one reactor at a time; detach() gives it to another thread (which may then use fd(),
// input and output with plain blocking calls) and attach() brings it back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace stele {

class Reactor;

// Whatever sits behind a file descriptor. on_event gets epoll's bits.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  virtual void on_event(uint32_t events) = 0;
};

// A growing byte buffer that is read from the front: consume() is O(1) until it is compacted.
class ByteQueue {
 public:
  std::string_view view() const { return {data_.data() + head_, data_.size() - head_}; }
  size_t size() const { return data_.size() - head_; }
  bool empty() const { return head_ == data_.size(); }
  size_t capacity() const { return data_.capacity(); }
  void append(std::string_view s) { data_.append(s); }
  void consume(size_t n) {
    head_ += n;
    if (head_ == data_.size()) { data_.clear(); head_ = 0; }
  }
  // Moves the unread bytes to the front when most of the buffer has been read.
  void compact() {
    if (head_ == 0) return;
    data_.erase(0, head_);
    head_ = 0;
  }
  void release_memory() { std::string().swap(data_); head_ = 0; }
  std::string& raw() { return data_; }
  size_t head() const { return head_; }

 private:
  std::string data_;
  size_t head_ = 0;
};

class Connection : public FdHandler {
 public:
  // Takes ownership of the descriptor, which must be non-blocking.
  Connection(Reactor& reactor, int fd);
  ~Connection() override;

  int fd() const { return fd_; }
  Reactor& reactor() { return *reactor_; }
  ByteQueue input;
  ByteQueue output;

  // Called when input grew. Must not destroy the connection: call close() instead.
  std::function<void()> on_input;
  // Called once, when the peer or an error or close() ended the connection; may destroy it.
  std::function<void()> on_closed;

  void attach();           // starts (or resumes) watching the descriptor
  void detach();           // stops watching; buffers and descriptor stay
  void pause_input(bool paused);
  // While held, flush() keeps what output has; release does not flush by itself.
  void hold_output(bool held);
  // Writes what output holds; what does not fit is sent when the socket allows. False: closed.
  bool flush();
  void close_after_flush();
  void close();            // closes now, on_closed runs before it returns
  bool closed() const { return fd_ < 0; }
  bool closing() const { return closing_; }

  void on_event(uint32_t events) override;

 private:
  void update_interest();
  bool read_some();
  Reactor* reactor_;
  int fd_;
  bool attached_ = false, paused_ = false, held_ = false, closing_ = false, want_write_ = false;
  uint32_t interest_ = 0;
};

class Reactor {
 public:
  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Binds and listens; accepted sockets are non-blocking with TCP_NODELAY. Returns the port (useful
  // for port 0). Throws Error(kIoError). A path starting with '/' makes a Unix socket.
  uint16_t listen(const std::string& address, uint16_t port,
                  std::function<void(int fd, std::string peer)> accepted);
  void close_listeners();

  void start();            // runs the loop on a thread of its own
  void run();              // runs the loop on this thread until stop()
  void stop();             // any thread; start()ed threads are joined
  bool stopping() const { return stop_.load(std::memory_order_relaxed); }
  // One round: events, timers, tasks, round hooks. Re-entrant, so a long computation may serve others.
  void run_once(int timeout_ms);

  void post(std::function<void()> task);  // any thread
  bool in_loop() const { return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed); }
  // Runs f after delay; f returns the next delay in microseconds, or a negative number to end.
  uint64_t add_timer(int64_t delay_us, std::function<int64_t()> f);
  void cancel_timer(uint64_t id);
  // Runs at the end of every round, before the loop sleeps.
  void on_round_end(std::function<void()> f) { round_hooks_.push_back(std::move(f)); }

  void watch(int fd, uint32_t events, FdHandler* handler);
  void change(int fd, uint32_t events, FdHandler* handler);
  void unwatch(int fd);
  // Events already fetched for a handler that dies within a round are dropped.
  void forget(FdHandler* handler);

 private:
  struct Listener;
  struct Timer { int64_t due_us; std::function<int64_t()> f; };
  int64_t run_timers();
  void run_tasks();

  int epoll_ = -1, wake_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;   // others ask while the loop starts
  std::mutex tasks_mutex_;
  std::vector<std::function<void()>> tasks_;
  std::atomic<bool> has_tasks_{false};
  std::map<uint64_t, Timer> timers_;
  uint64_t next_timer_ = 1;
  std::vector<std::function<void()>> round_hooks_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<FdHandler*> forgotten_;
  int depth_ = 0;
};

}  // namespace stele
