// From the first byte to the first ReadyForQuery: TLS request, cancel request, authentication.
#include "doors/postgres/connection.h"

namespace stele::doors::postgres {
namespace {

constexpr uint32_t kSslRequest = 80877103, kGssRequest = 80877104, kCancelRequest = 80877102;
constexpr size_t kMaxStartupBytes = 10000;

// What PostgreSQL 15 reports at the start of a session.
constexpr const char* kReported[] = {
    "application_name", "client_encoding", "DateStyle", "default_transaction_read_only",
    "in_hot_standby", "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding",
    "server_version", "session_authorization", "standard_conforming_strings", "TimeZone"};

// The "options" parameter: -c name=value and --name=value, backslash escapes spaces.
void parse_options(std::string_view text, std::vector<std::pair<std::string, std::string>>& out) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      word.push_back(text[++i]);
      in_word = true;
    } else if (text[i] == ' ' || text[i] == '\t' || text[i] == '\n') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word.push_back(text[i]);
      in_word = true;
    }
  }
  if (in_word) words.push_back(std::move(word));
  for (size_t i = 0; i < words.size(); ++i) {
    std::string setting;
    if (words[i] == "-c" && i + 1 < words.size()) setting = words[++i];
    else if (words[i].starts_with("-c")) setting = words[i].substr(2);
    else if (words[i].starts_with("--")) setting = words[i].substr(2);
    else
      throw Error(ErrorCode::kSyntaxError,
                  fmt::format("invalid command-line argument for server process: {}", words[i]));
    size_t eq = setting.find('=');
    if (eq == std::string::npos)
      throw Error(ErrorCode::kSyntaxError, fmt::format("-c {} requires a value", setting));
    std::string name = setting.substr(0, eq);
    std::replace(name.begin(), name.end(), '-', '_');
    out.emplace_back(std::move(name), setting.substr(eq + 1));
  }
}

}  // namespace

Connection::Outcome Connection::process_startup(bool may_block) {
  std::string_view in = wire_.input();
  if (in.size() < 4) return Outcome::kNeedInput;
  uint32_t length = load_be32(in.data());
  // 0x16030100...: a TLS client that did not ask first.
  if (length < 8 || length > kMaxStartupBytes)
    return fatal(Error(ErrorCode::kProtocolViolation, "invalid length of startup packet"));
  if (in.size() < length) return Outcome::kNeedInput;
  if (!may_block) return Outcome::kHandOver;
  std::string body(in.substr(4, length - 4));
  wire_.consume(length);
  return startup_message(body);
}

Connection::Outcome Connection::startup_message(std::string_view body) {
  MessageReader r(body);
  uint32_t code = static_cast<uint32_t>(r.i32());
  if (code == kCancelRequest) {
    cancel_request(r);
    return Outcome::kClose;
  }
  if ((code == kSslRequest && !tls_asked_) || (code == kGssRequest && !gss_asked_)) {
    // Bytes that came with the request would bypass encryption.
    if (!wire_.input().empty())
      return fatal(Error(ErrorCode::kProtocolViolation, code == kSslRequest
                       ? "received unencrypted data after SSL request"
                       : "received unencrypted data after GSSAPI encryption request"));
    bool tls = code == kSslRequest && host_.tls() != nullptr && !wire_.tls();
    (code == kSslRequest ? tls_asked_ : gss_asked_) = true;
    wire_.out.push_back(tls ? 'S' : 'N');
    wire_.flush(true);
    if (tls) wire_.start_tls(host_.tls());
    return wire_.read_available() == Wire::Read::kClosed ? Outcome::kClose : Outcome::kNeedInput;
  }
  if (code >> 16 != 3)
    return fatal(Error(ErrorCode::kFeatureNotSupported,
                       fmt::format("unsupported frontend protocol {}.{}: server supports 3.0 to 3.0",
                                   code >> 16, code & 0xffff)));
  std::vector<std::string> unknown_extensions;
  bool database_given = false;
  options_.user.clear();
  try {
    for (;;) {
      std::string_view name = r.cstr();
      if (name.empty()) break;
      std::string_view value = r.cstr();
      if (name == "user") options_.user = value;
      else if (name == "database") { options_.database = value; database_given = true; }
      else if (name == "application_name") options_.application_name = value;
      else if (name == "options") parse_options(value, options_.settings);
      else if (name.starts_with("_pq_.")) unknown_extensions.emplace_back(name);
      else if (name == "replication") {
        if (value != "false" && value != "off" && value != "no" && value != "0")
          return fatal(Error(ErrorCode::kFeatureNotSupported, "replication connections are not supported"));
      } else if (name == "client_encoding") {
        // Some drivers send it quoted: only letters and digits count in the name of an encoding.
        std::string clean;
        for (char c : value)
          if (std::isalnum(static_cast<unsigned char>(c))) clean.push_back(c);
        options_.settings.emplace_back(name, clean);
      } else {
        options_.settings.emplace_back(name, value);
      }
    }
    if (r.left() != 0) throw Error(ErrorCode::kProtocolViolation, "");
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kProtocolViolation) return fatal(e);
    return fatal(Error(ErrorCode::kProtocolViolation,
                       "invalid startup packet layout: expected terminator as last byte"));
  }
  if (options_.user.empty())
    return fatal(Error(ErrorCode::kInvalidAuthorizationSpecification,
                       "no PostgreSQL user name specified in startup packet"));
  if (!database_given || options_.database.empty()) options_.database = options_.user;
  if ((code & 0xffff) != 0 || !unknown_extensions.empty()) {
    Message m(wire_.out, 'v');
    m.i32(0).i32(static_cast<int64_t>(unknown_extensions.size()));
    for (auto& e : unknown_extensions) m.cstr(e);
  }
  if (host_.stopping())
    return fatal(Error(ErrorCode::kCannotConnectNow, "the database system is shutting down"));
  if (!host_.accept_more())
    return fatal(Error(ErrorCode::kTooManyConnections, "sorry, too many clients already"));
  if (host_.require_tls() && !wire_.tls())
    return fatal(Error(ErrorCode::kInvalidAuthorizationSpecification,
                       "this server accepts encrypted connections only")
                     .hint("Connect with sslmode=require."));
  try {
    begin_authentication();
  } catch (const Error& e) {
    return fatal(e);
  }
  return Outcome::kNeedInput;
}

void Connection::cancel_request(MessageReader& r) {
  try {
    int pid = r.i32();
    int secret = r.i32();
    host_.database().cancel(pid, secret);
  } catch (const Error&) {
    // A malformed request gets no answer, as a well-formed one.
  }
}

void Connection::begin_authentication() {
  if (!host_.require_password()) {
    enter_session();
    return;
  }
  auto login = host_.database().login(options_.user);
  scram_ = std::make_unique<ScramServer>(login && login->can_login ? login->verifier : "", options_.user);
  Message(wire_.out, 'R').i32(10).cstr("SCRAM-SHA-256").byte('\0');
  phase_ = Phase::kScramFirst;
}

Connection::Outcome Connection::password_message(std::string_view body) {
  try {
    MessageReader r(body);
    if (phase_ == Phase::kScramFirst) {
      std::string_view mechanism = r.cstr();
      if (mechanism != "SCRAM-SHA-256")
        throw Error(ErrorCode::kProtocolViolation, "client selected an invalid SASL authentication mechanism");
      int32_t n = r.i32();
      std::string reply = scram_->first(r.bytes(n < 0 ? 0 : static_cast<size_t>(n)));
      r.end();
      Message(wire_.out, 'R').i32(11).bytes(reply);
      phase_ = Phase::kScramFinal;
      return Outcome::kNeedInput;
    }
    std::string reply;
    if (!scram_->final(r.bytes(r.left()), &reply))
      throw Error(ErrorCode::kInvalidPassword,
                  fmt::format("password authentication failed for user \"{}\"", options_.user));
    Message(wire_.out, 'R').i32(12).bytes(reply);
    scram_.reset();
    enter_session();
    return Outcome::kNeedInput;
  } catch (const Error& e) {
    return fatal(e);
  }
}

void Connection::enter_session() {
  size_t colon = peer_.rfind(':');
  options_.client_address = peer_.substr(0, colon);
  if (options_.client_address.starts_with('['))
    options_.client_address = options_.client_address.substr(1, options_.client_address.size() - 2);
  if (colon != std::string::npos) options_.client_port = std::atoi(peer_.c_str() + colon + 1);
  options_.notice = [this](const sql::Notice& n) { put_error(wire_.out, 'N', n.error, n.severity); };
  options_.parameter_status = [this](std::string_view name, std::string_view value) {
    if (phase_ == Phase::kReady) put_parameter_status(wire_.out, name, value);
  };
  options_.notification = [weak = weak_from_this()](int pid, std::string_view channel, std::string_view payload) {
    auto c = weak.lock();
    if (!c) return;
    {
      std::lock_guard lock(c->notifications_mutex_);
      Message(c->pending_notifications_, 'A').i32(pid).cstr(channel).cstr(payload);
      c->has_notifications_ = true;
    }
    c->reactor_.post([weak] {
      if (auto alive = weak.lock()) alive->on_event(0);
    });
  };
  options_.terminated = [weak = weak_from_this()] {
    if (auto c = weak.lock()) c->shut_down();
  };
  session_ = host_.database().connect(options_);
  Message(wire_.out, 'R').i32(0);
  for (const char* name : kReported) put_parameter_status(wire_.out, name, session_->setting(name));
  Message(wire_.out, 'K').i32(session_->pid()).i32(session_->secret());
  phase_ = Phase::kReady;
  ready_for_query();
}

}  // namespace stele::doors::postgres
