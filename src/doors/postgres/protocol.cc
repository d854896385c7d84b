// The message loop of an authenticated client: simple and extended query, COPY, errors.
#include "doors/postgres/connection.h"
#include "doors/postgres/function_call.h"

namespace stele::doors::postgres {
namespace {

constexpr uint32_t kLargeMessage = 0x3ffffffe, kSmallMessage = 10000, kPasswordMessage = 65535;
constexpr size_t kStreamBytes = 64 << 10;

bool known_type(char type) {
  return std::string_view("QPBDECSHXFdcf").find(type) != std::string_view::npos;
}
uint32_t length_limit(char type) {
  return std::string_view("QPBFd").find(type) != std::string_view::npos ? kLargeMessage : kSmallMessage;
}

}  // namespace

Connection::Outcome Connection::process(bool may_block) {
  while (!closing_) {
    if (shut_down_ && phase_ == Phase::kReady)
      return fatal(Error(ErrorCode::kAdminShutdown, "terminating connection due to administrator command"));
    if (phase_ == Phase::kStartup) {
      Outcome outcome = process_startup(may_block);
      if (outcome != Outcome::kNeedInput || phase_ == Phase::kStartup) {
        // A refused TLS request is followed by the startup packet proper.
        if (outcome == Outcome::kNeedInput && wire_.input().size() >= 8 &&
            wire_.input().size() >= load_be32(wire_.input().data()))
          continue;
        return outcome;
      }
      continue;
    }
    std::string_view in = wire_.input();
    if (in.size() < 5) return Outcome::kNeedInput;
    char type = in[0];
    uint32_t length = load_be32(in.data() + 1);
    bool password = phase_ != Phase::kReady;
    if (password ? type != 'p' : !known_type(type)) {
      if (password && type == 'X') return Outcome::kClose;
      return fatal(Error(ErrorCode::kProtocolViolation,
                         password ? fmt::format("expected SASL response, got message type {}", static_cast<int>(static_cast<unsigned char>(type)))
                                  : fmt::format("invalid frontend message type {}", static_cast<int>(static_cast<unsigned char>(type)))));
    }
    if (length < 4 || length > (password ? kPasswordMessage : length_limit(type)))
      return fatal(Error(ErrorCode::kProtocolViolation, "invalid message length"));
    if (in.size() < size_t{length} + 1) return Outcome::kNeedInput;
    std::string_view body = in.substr(5, length - 4);
    if (password) {
      if (!may_block) return Outcome::kHandOver;
      std::string copy(body);
      wire_.consume(length + 1);
      Outcome outcome = password_message(copy);
      if (outcome != Outcome::kNeedInput) return outcome;
      continue;
    }
    if (!may_block && !can_run_here(type, body)) return Outcome::kHandOver;
    Outcome outcome;
    if (may_block && (type == 'Q' || type == 'E')) {
      // COPY reads further messages while these run, which moves the input buffer.
      std::string copy(body);
      wire_.consume(length + 1);
      outcome = handle(type, copy);
    } else {
      outcome = handle(type, body);
      wire_.consume(length + 1);
    }
    if (outcome != Outcome::kNeedInput) return outcome;
    if (on_worker_ && wire_.out.size() > kStreamBytes) gate_and_flush();
  }
  return Outcome::kClose;
}

bool Connection::can_run_here(char type, std::string_view body) {
  if (skip_to_sync_ && type != 'S') return true;  // discarded
  auto name = [](std::string_view s) { return s.substr(0, s.find('\0')); };
  switch (type) {
    case 'E': return session_->can_run_inline(name(body));
    case 'B': {
      size_t end = body.find('\0');
      return end != body.npos && session_->can_bind_inline(name(body.substr(end + 1)));
    }
    case 'Q': return session_->can_run_inline_query(name(body));
    case 'D': return !body.empty() && (body[0] == 'P' || session_->can_bind_inline(name(body.substr(1))));
    case 'S': return !in_extended_;
    case 'P': return false;
    case 'F': return false;
    default: return true;
  }
}

template <typename F>
bool Connection::guarded(bool extended, F&& f) {
  try {
    f();
    return true;
  } catch (const Error& e) {
    report(e, extended);
  } catch (const std::bad_alloc&) {
    report(Error(ErrorCode::kOutOfMemory, "out of memory"), extended);
  } catch (const std::exception& e) {
    report(Error(ErrorCode::kInternalError, e.what()), extended);
  }
  return false;
}

void Connection::report(const Error& error, bool extended) {
  bool ends = is_fatal(error);
  put_error(wire_.out, 'E', error, ends ? "FATAL" : "ERROR");
  if (ends) closing_ = true;
  if (extended) {
    skip_to_sync_ = true;
    session_->fail_extended();
  }
}

Connection::Outcome Connection::fatal(const Error& error) {
  put_error(wire_.out, 'E', error, "FATAL");
  closing_ = true;
  return Outcome::kClose;
}

Connection::Outcome Connection::handle(char type, std::string_view body) {
  if (skip_to_sync_ && type != 'S' && type != 'X') return Outcome::kNeedInput;
  if (on_worker_) in_extended_ = true;
  MessageReader r(body);
  switch (type) {
    case 'Q':
      guarded(false, [&] {
        std::string_view text = r.cstr();
        r.end();
        simple_query(text);
      });
      if (closing_) return Outcome::kClose;
      ready_for_query();
      return Outcome::kNeedInput;
    case 'P': guarded(true, [&] { parse(r); }); break;
    case 'B': guarded(true, [&] { bind(r); }); break;
    case 'D': guarded(true, [&] { describe(r); }); break;
    case 'E': guarded(true, [&] { execute(r); }); break;
    case 'C': guarded(true, [&] { close_object(r); }); break;
    case 'S':
      sync();
      break;
    case 'H':
      if (on_worker_) gate_and_flush();
      break;
    case 'X': return Outcome::kClose;
    case 'F':
      guarded(true, [&] { function_call(*session_, r, wire_.out); });
      skip_to_sync_ = false;
      sync();
      break;
    case 'd': case 'c': case 'f':
      break;  // the rest of a COPY that failed
    default: break;
  }
  return closing_ ? Outcome::kClose : Outcome::kNeedInput;
}

void Connection::ready_for_query() {
  in_extended_ = false;
  if (session_ != nullptr && has_notifications_) deliver_notifications();
  Message(wire_.out, 'Z').byte(static_cast<char>(session_->status()));
}

void Connection::simple_query(std::string_view text) {
  formats_.clear();
  row_writer_.reset();
  session_->simple_query(text, *this);
}

void Connection::parse(MessageReader& r) {
  std::string_view name = r.cstr();
  std::string_view text = r.cstr();
  int n = static_cast<uint16_t>(r.i16());
  types_.clear();
  for (int i = 0; i < n; ++i) types_.push_back(static_cast<Oid>(r.i32()));
  r.end();
  session_->parse(name, text, types_);
  wire_.out.append("1\0\0\0\4", 5);
}

void Connection::bind(MessageReader& r) {
  std::string_view portal = r.cstr();
  std::string_view statement = r.cstr();
  int n_codes = static_cast<uint16_t>(r.i16());
  codes_.clear();
  for (int i = 0; i < n_codes; ++i) codes_.push_back(r.i16());
  int n_params = static_cast<uint16_t>(r.i16());
  if (n_codes > 1 && n_codes != n_params)
    throw Error(ErrorCode::kProtocolViolation,
                fmt::format("bind message has {} parameter formats but {} parameters", n_codes, n_params));
  params_.clear();
  for (int i = 0; i < n_params; ++i) {
    int32_t size = r.i32();
    int16_t code = n_codes == 0 ? 0 : n_codes == 1 ? codes_[0] : codes_[static_cast<size_t>(i)];
    if (code != 0 && code != 1)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unsupported format code: {}", code));
    sql::Session::Param p;
    p.is_null = size < 0;
    p.binary = code == 1;
    if (size >= 0) p.bytes = r.bytes(static_cast<size_t>(size));
    params_.push_back(p);
  }
  int n_results = static_cast<uint16_t>(r.i16());
  codes_.clear();
  for (int i = 0; i < n_results; ++i) {
    int16_t code = r.i16();
    if (code != 0 && code != 1)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("unsupported format code: {}", code));
    codes_.push_back(code);
  }
  r.end();
  session_->bind(portal, statement, params_, codes_);
  wire_.out.append("2\0\0\0\4", 5);
}

void Connection::describe(MessageReader& r) {
  char what = r.byte();
  std::string_view name = r.cstr();
  r.end();
  if (what == 'S') {
    sql::Described d = session_->describe_statement(name);
    {
      Message m(wire_.out, 't');
      m.i16(static_cast<int>(d.param_types.size()));
      for (Oid type : d.param_types) m.i32(type);
    }
    if (d.returns_rows) put_row_description(wire_.out, d.columns, {}, &session_->eval());
    else wire_.out.append("n\0\0\0\4", 5);
  } else if (what == 'P') {
    sql::Described d = session_->describe_portal(name);
    if (d.returns_rows)
      put_row_description(wire_.out, d.columns, session_->portal_formats(name), &session_->eval());
    else
      wire_.out.append("n\0\0\0\4", 5);
  } else {
    throw Error(ErrorCode::kProtocolViolation,
                fmt::format("invalid DESCRIBE message subtype {}", static_cast<int>(static_cast<unsigned char>(what))));
  }
}

void Connection::execute(MessageReader& r) {
  std::string_view portal = r.cstr();
  int32_t max_rows = r.i32();
  r.end();
  auto formats = session_->portal_formats(portal);
  formats_.assign(formats.begin(), formats.end());
  row_writer_.reset();
  session_->execute(portal, max_rows <= 0 ? 0 : max_rows, *this);
}

void Connection::close_object(MessageReader& r) {
  char what = r.byte();
  std::string_view name = r.cstr();
  r.end();
  if (what == 'S') session_->close_statement(name);
  else if (what == 'P') session_->close_portal(name);
  else
    throw Error(ErrorCode::kProtocolViolation,
                fmt::format("invalid CLOSE message subtype {}", static_cast<int>(static_cast<unsigned char>(what))));
  wire_.out.append("3\0\0\0\4", 5);
}

void Connection::sync() {
  skip_to_sync_ = false;
  guarded(false, [&] { session_->sync(); });
  if (!closing_) ready_for_query();
}

// ---- ResultSink ----

void Connection::columns(std::span<const query::OutputColumn> columns) {
  put_row_description(wire_.out, columns, formats_, &session_->eval());
  row_writer_.prepare(columns, formats_, &session_->eval());
}

bool Connection::rows(const query::Batch& batch, std::span<const query::OutputColumn> columns) {
  if (!row_writer_.prepared()) {
    if (formats_.size() > 1 && formats_.size() != columns.size())
      throw Error(ErrorCode::kProtocolViolation,
                  fmt::format("bind message has {} result formats but query has {} columns",
                              formats_.size(), columns.size()));
    row_writer_.prepare(columns, formats_, &session_->eval());
  }
  // Wide rows must not pile up a whole batch: stream between slices.
  constexpr int kSlice = 64;
  for (int from = 0; from < batch.size; from += kSlice) {
    row_writer_.write(batch, from, std::min(batch.size, from + kSlice), wire_.out);
    if (on_worker_ && wire_.out.size() > kStreamBytes) gate_and_flush();
  }
  return true;
}

void Connection::complete(std::string_view tag) {
  Message(wire_.out, 'C').cstr(tag);
  row_writer_.reset();
}
void Connection::empty_query() { wire_.out.append("I\0\0\0\4", 5); }
void Connection::suspended() { wire_.out.append("s\0\0\0\4", 5); }

void Connection::copy_out_begin(bool binary, int columns) {
  Message m(wire_.out, 'H');
  m.byte(binary ? 1 : 0).i16(columns);
  for (int i = 0; i < columns; ++i) m.i16(binary ? 1 : 0);
}
void Connection::copy_out_data(std::string_view bytes) {
  Message(wire_.out, 'd').bytes(bytes);
  if (on_worker_ && wire_.out.size() > kStreamBytes) gate_and_flush();
}
void Connection::copy_out_end() { wire_.out.append("c\0\0\0\4", 5); }

void Connection::copy_in_begin(bool binary, int columns) {
  {
    Message m(wire_.out, 'G');
    m.byte(binary ? 1 : 0).i16(columns);
    for (int i = 0; i < columns; ++i) m.i16(binary ? 1 : 0);
  }
  STELE_CHECK(on_worker_);
  gate_and_flush();
}

bool Connection::copy_in_data(std::string* chunk) {
  auto interrupted = [this] { return shut_down_.load(); };
  auto check = [&] {
    if (!wire_.read_blocking(interrupted))
      throw Error(ErrorCode::kAdminShutdown, "terminating connection due to administrator command");
  };
  for (;;) {
    while (wire_.input().size() < 5) check();
    char type = wire_.input()[0];
    uint32_t length = load_be32(wire_.input().data() + 1);
    if (!known_type(type) || length < 4 || length > length_limit(type)) {
      closing_ = true;
      throw Error(ErrorCode::kProtocolViolation,
                  fmt::format("unexpected message type 0x{:02X} during COPY from stdin",
                              static_cast<int>(static_cast<unsigned char>(type))));
    }
    while (wire_.input().size() < size_t{length} + 1) check();
    std::string_view body = wire_.input().substr(5, length - 4);
    switch (type) {
      case 'd':
        chunk->assign(body);
        wire_.consume(length + 1);
        return true;
      case 'c':
        wire_.consume(length + 1);
        return false;
      case 'f': {
        std::string reason(body.substr(0, body.find('\0')));
        wire_.consume(length + 1);
        throw Error(ErrorCode::kQueryCanceled, "COPY from stdin failed: " + reason);
      }
      case 'H': case 'S':
        wire_.consume(length + 1);
        break;
      default:
        // Left in the buffer: the message loop handles it after the error.
        throw Error(ErrorCode::kProtocolViolation,
                    fmt::format("unexpected message type 0x{:02X} during COPY from stdin",
                                static_cast<int>(static_cast<unsigned char>(type))));
    }
  }
}

}  // namespace stele::doors::postgres
