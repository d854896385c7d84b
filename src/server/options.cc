#include "server/options.h"

#include <unistd.h>

#include <charconv>
#include <fstream>

#include "base/error.h"

namespace stele::server {
namespace {

[[noreturn]] void bad(std::string message, std::string hint = {}) {
  throw Error(ErrorCode::kInvalidParameterValue, std::move(message)).hint(std::move(hint));
}

int64_t number(const std::string& name, const std::string& value, int64_t min, int64_t max) {
  int64_t v = 0;
  auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), v);
  if (failed != std::errc() || end != value.data() + value.size() || v < min || v > max)
    bad(fmt::format("{} must be a number from {} to {}, not \"{}\"", name, min, max, value));
  return v;
}

bool truth(const std::string& name, const std::string& value) {
  if (value == "on" || value == "true" || value == "yes" || value == "1") return true;
  if (value == "off" || value == "false" || value == "no" || value == "0") return false;
  bad(fmt::format("{} must be on or off, not \"{}\"", name, value));
}

int port(const std::string& name, const std::string& value) {
  if (value == "off" || value == "none") return -1;
  if (value == "any") return 0;
  int p = static_cast<int>(number(name, value, 0, 65535));
  return p == 0 ? -1 : p;
}

// Names are those of the command line with '_' for '-'. False: not an option of the server itself.
bool apply(Options& o, const std::string& name, const std::string& value) {
  if (name == "data" || name == "data_directory") o.data_directory = value;
  else if (name == "listen") o.listen = value;
  else if (name == "postgres_port") o.postgres_port = port(name, value);
  else if (name == "redis_port") o.redis_port = port(name, value);
  else if (name == "elasticsearch_port") o.elasticsearch_port = port(name, value);
  else if (name == "qdrant_port") o.qdrant_port = port(name, value);
  else if (name == "auth") {
    if (value != "trust" && value != "scram") bad(fmt::format("auth must be trust or scram, not \"{}\"", value));
    o.auth = value;
  } else if (name == "tls_certificate") o.tls_certificate = value;
  else if (name == "tls_key") o.tls_key = value;
  else if (name == "redis_password") o.redis_password = value;
  else if (name == "qdrant_api_key") o.qdrant_api_key = value;
  else if (name == "qdrant_read_only_api_key") o.qdrant_read_only_api_key = value;
  else if (name == "require_tls") o.require_tls = truth(name, value);
  else if (name == "max_connections") o.max_connections = static_cast<int>(number(name, value, 1, 10000));
  else if (name == "cache_mb") o.cache_mb = static_cast<uint64_t>(number(name, value, 8, 1 << 20));
  else if (name == "search_tail_kb") o.search_tail_kb = static_cast<uint64_t>(number(name, value, 1, 1 << 30));
  else if (name == "hot_mb") o.hot_mb = static_cast<uint64_t>(number(name, value, 1, 1 << 20));
  else if (name == "write_buffer_mb") o.write_buffer_mb = static_cast<uint64_t>(number(name, value, 4, 1 << 16));
  else if (name == "log_level") o.log_level = value;
  else if (name == "log_file") o.log_file = value;
  else if (name == "port_file") o.port_file = value;
  else return false;
  return true;
}

std::string trimmed(const std::string& s) {
  size_t a = s.find_first_not_of(" \t\r"), b = s.find_last_not_of(" \t\r");
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

void read_file(Options& o, const std::string& path, bool required, const std::map<std::string, std::string>& given) {
  std::ifstream in(path);
  if (!in) {
    if (required) bad(fmt::format("could not read the configuration file \"{}\"", path));
    return;
  }
  std::string line;
  for (int n = 1; std::getline(in, line); ++n) {
    size_t comment = line.find('#');
    line = trimmed(comment == std::string::npos ? line : line.substr(0, comment));
    if (line.empty()) continue;
    size_t eq = line.find('=');
    if (eq == std::string::npos) bad(fmt::format("{} line {}: expected name = value, found \"{}\"", path, n, line));
    std::string name = trimmed(line.substr(0, eq)), value = trimmed(line.substr(eq + 1));
    if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'') value = value.substr(1, value.size() - 2);
    std::replace(name.begin(), name.end(), '-', '_');
    if (given.count(name)) continue;  // the command line wins
    if (!apply(o, name, value)) o.settings[name] = value;
  }
}

}  // namespace

// What this process may use: the machine's memory, or its control group's part of it.
static uint64_t memory_mb() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (uint64_t most = 0; limit >> most && most > 0) bytes = std::min(bytes, most);
  return bytes >> 20;
}

Options parse_options(const std::vector<std::string>& arguments) {
  Options o;
  std::map<std::string, std::string> given;
  std::string config;
  size_t i = 0;
  if (i < arguments.size() && !arguments[i].starts_with("-")) o.command = arguments[i++];
  if (o.command != "serve" && o.command != "check" && o.command != "version" && o.command != "help")
    bad(fmt::format("unknown command \"{}\"", o.command), "The commands are serve, check, version and help.");
  for (; i < arguments.size(); ++i) {
    std::string a = arguments[i];
    if (a == "-h" || a == "--help") { o.command = "help"; return o; }
    if (a == "-V" || a == "--version") { o.command = "version"; return o; }
    if (!a.starts_with("-")) bad(fmt::format("unexpected argument \"{}\"", a), "Try stele --help.");
    std::string name, value;
    bool setting = false;
    if (a == "-D") name = "data";
    else if (a == "-c") setting = true;
    else if (a.starts_with("--")) name = a.substr(2);
    else bad(fmt::format("unknown option \"{}\"", a), "Try stele --help.");
    size_t eq = name.find('=');
    if (eq != std::string::npos) {
      value = name.substr(eq + 1);
      name = name.substr(0, eq);
    } else {
      if (i + 1 >= arguments.size()) bad(fmt::format("{} needs a value", a), "Try stele --help.");
      value = arguments[++i];
    }
    if (setting) {
      size_t at = value.find('=');
      if (at == std::string::npos) bad(fmt::format("-c needs name=value, not \"{}\"", value));
      name = value.substr(0, at);
      value = value.substr(at + 1);
    }
    std::replace(name.begin(), name.end(), '-', '_');
    if (name == "config") { config = value; continue; }
    given[name] = value;
    if (apply(o, name, value)) continue;
    if (!setting) bad(fmt::format("unknown option \"--{}\"", arguments[i].substr(0, 0) + name), "Try stele --help. SQL settings are given as -c name=value.");
    o.settings[name] = value;
  }
  if (!config.empty()) read_file(o, config, true, given);
  else read_file(o, o.data_directory + "/stele.conf", false, given);
  if (!o.tls_key.empty() && o.tls_certificate.empty()) bad("tls-key is given without tls-certificate");
  if (o.require_tls && o.tls_certificate.empty()) bad("require-tls needs tls-certificate and tls-key");
  const uint64_t share = std::clamp<uint64_t>(memory_mb() / 16, 128, 4096);
  if (o.cache_mb == 0) o.cache_mb = share;
  if (o.hot_mb == 0) o.hot_mb = share;
  return o;
}

const char* help_text() {
  return R"(Stele: one database that PostgreSQL, Redis, Elasticsearch and Qdrant clients can talk to.

Usage
  stele [serve] [options]     run the server until SIGINT or SIGTERM
  stele check [-D folder]     verify a data folder (the server must not be running)
  stele version

The first run creates the data folder; there is nothing else to set up. Then:
  psql -h 127.0.0.1 -p 5432 -U postgres stele
  redis-cli -p 6379

Options (also name = value lines in <data>/stele.conf, with _ for -)
  -D, --data FOLDER           where everything is kept            ./stele-data
  --config FILE               configuration file                  <data>/stele.conf
  --listen ADDRESS            127.0.0.1, 0.0.0.0, ::1 ...         127.0.0.1
  --postgres-port PORT        a number, "any", or 0 to close it   5432
  --redis-port PORT                                               6379
  --elasticsearch-port PORT                                       9200
  --qdrant-port PORT                                              6333
  --auth trust|scram          scram asks for passwords            trust
                              (PostgreSQL and Elasticsearch clients use SQL roles;
                              the two others have secrets of their own:)
  --redis-password PASSWORD
  --qdrant-api-key KEY
  --qdrant-read-only-api-key KEY      good for requests that change nothing
  --tls-certificate FILE      PEM files; clients may then use TLS
  --tls-key FILE
  --require-tls on|off        refuse connections without TLS      off
  --max-connections N         SQL sessions                        500
  --cache-mb N                block cache                         1/16 of memory
  --hot-mb N                  in-memory rows                      1/16 of memory
  --search-tail-kb N          of a search index, before a file    32768
  --write-buffer-mb N         unflushed writes                    64
  --log-level LEVEL           debug info notice warning error     info
  --log-file FILE             instead of standard error
  --port-file FILE            write the bound ports as JSON when ready
  -c NAME=VALUE               any SQL setting, as a server-wide default
                              (for example -c synchronous_commit=off)

With --auth scram set a password first, over the default trust setting:
  psql ... -c "ALTER ROLE postgres PASSWORD 'something long'"
)";
}

}  // namespace stele::server
