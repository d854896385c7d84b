#include "doors/postgres/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

namespace stele::doors::postgres {

Connection::Connection(Host& host, Reactor& reactor, int fd, std::string peer)
    : host_(host), reactor_(reactor), wire_(fd), peer_(std::move(peer)) {}

Connection::~Connection() = default;

void Connection::watch() {
  owner_ = kIdle;
  reactor_.watch(wire_.fd(), EPOLLIN | EPOLLRDHUP | EPOLLET, this);
}

void Connection::on_event(uint32_t) {
  int expected = kIdle;
  while (!owner_.compare_exchange_weak(expected, kBusy)) {
    if (expected == kIdle) continue;
    if (expected == kDirty) return;
    if (owner_.compare_exchange_weak(expected, kDirty)) return;
    expected = kIdle;
  }
  step(false, true);
}

void Connection::run_on_worker() {
  on_worker_ = true;
  if (closing_) {
    close_session();
    return;
  }
  step(true, false);
}

void Connection::step(bool may_block, bool read_first) {
  on_worker_ = may_block;
  try {
    if (read_first && !peer_closed_ && wire_.read_available() == Wire::Read::kClosed) peer_closed_ = true;
    for (;;) {
      Outcome outcome = process(may_block);
      if (outcome == Outcome::kHandOver) {
        host_.submit(this);
        return;
      }
      if (outcome == Outcome::kClose) closing_ = true;
      if (!closing_ && !peer_closed_ && wire_.more()) {
        if (wire_.read_available() == Wire::Read::kClosed) peer_closed_ = true;
        continue;
      }
      break;
    }
    settle(may_block, closing_ || peer_closed_);
  } catch (const ClientGone&) {
    closing_ = true;
    close_session();
  }
}

// After processing: everything read was handled; send the output and let go.
void Connection::settle(bool may_block, bool closed) {
  deliver_notifications();
  if (session_ != nullptr) {
    storage::Lsn lsn = session_->pending_durable();
    if (lsn != 0) {
      if (lsn > host_.durable_lsn()) {
        closing_ = closed;
        host_.when_durable(this, lsn);
        return;
      }
      session_->acknowledged();
    }
  }
  if (!may_block && !closed && !wire_.out.empty()) {
    host_.flush_later(this);  // with the replies of the round's other sessions
    return;
  }
  flush_and_release(may_block, closed);
}

void Connection::flush_and_release(bool may_block, bool closed) {
  if (!wire_.out.empty() && !wire_.flush(may_block)) {
    host_.submit(this);  // the socket is full: a worker waits for it
    return;
  }
  if (closed) {
    closing_ = true;
    close_session();
    return;
  }
  release_or_repeat(may_block);
}

void Connection::end_of_round() {
  try {
    flush_and_release(false, false);
  } catch (const ClientGone&) {
    closing_ = true;
    close_session();
  }
}

void Connection::durable_reached() {
  on_worker_ = false;
  try {
    if (session_ != nullptr) session_->acknowledged();
    if (!wire_.flush(false)) {
      host_.submit(this);
      return;
    }
    if (closing_) {
      close_session();
      return;
    }
    release_or_repeat(false);
  } catch (const ClientGone&) {
    closing_ = true;
    close_session();
  }
}

void Connection::release_or_repeat(bool may_block) {
  // Once released, another thread may run or destroy this object: touch nothing after that.
  int expected = kBusy;
  if (owner_.compare_exchange_strong(expected, kIdle)) return;
  owner_ = kBusy;
  step(may_block, true);
}

void Connection::close_session() {
  if (!on_worker_ && session_ != nullptr) {
    host_.submit(this);  // ending a session may roll back, which belongs on a worker
    return;
  }
  session_.reset();
  host_.finished(this);
}

void Connection::deliver_notifications() {
  if (!has_notifications_ || session_ == nullptr || session_->status() != sql::TxnStatus::kIdle) return;
  std::lock_guard lock(notifications_mutex_);
  wire_.out.append(pending_notifications_);
  pending_notifications_.clear();
  has_notifications_ = false;
}

void Connection::shut_down() {
  shut_down_ = true;
  reactor_.post([self = weak_from_this()] {
    if (auto c = self.lock()) c->on_event(0);
  });
}

void Connection::gate_and_flush() {
  if (session_ != nullptr) {
    storage::Lsn lsn = session_->pending_durable();
    if (lsn != 0) {
      host_.wait_durable_blocking(lsn);
      session_->acknowledged();
    }
  }
  wire_.flush(true);
}

}  // namespace stele::doors::postgres
