// Snapshots: a collection's configuration and points in one file, made at one lsn. A line of JSON each: first the header,
// then the points as they are upserted. Full snapshots are those of all collections one behind the other, then the aliases.
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "doors/qdrant/handlers.h"

namespace stele::qdrant {

namespace {

namespace fs = std::filesystem;

std::string sha256_of(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &n, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned int i = 0; i < n; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}
std::string time_text(std::time_t t, const char* format) {
  std::tm tm;
  gmtime_r(&t, &tm);
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, format, &tm)};
}
std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) bad_request(fmt::format("Snapshot file \"{}\" does not exist", path.string()));
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Snapshots of a collection lie in a folder of its name, those of its shard (`part`) in one inside, full ones beside those folders.
fs::path folder(Engine& engine, const std::string& collection, const std::string& part) {
  if (engine.snapshots().empty()) bad_request("this server keeps no snapshots");
  const fs::path base(engine.snapshots());
  return collection.empty() ? base : base / percent_encode(collection) / part;
}
fs::path file_of(const fs::path& directory, const std::string& name) {
  const fs::path path = directory / name;
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || !fs::is_regular_file(path)) {
    not_found(fmt::format("Snapshot {} not found", name));
  }
  return path;
}
json::object describe(const fs::path& path) {
  const std::string bytes = read_file(path);
  struct ::stat st{};
  ::stat(path.c_str(), &st);
  return {{"name", path.filename().string()}, {"creation_time", time_text(st.st_mtime, "%Y-%m-%dT%H:%M:%S")}, {"size", bytes.size()},
          {"checksum", sha256_of(bytes)}};
}

void append_collection(const Handle& h, std::string* out) {
  *out += json::serialize(json::object{{"stele_snapshot", 1}, {"collection", h.name}, {"config", h.config}}) + "\n";
  Shape shape;
  shape.vector = true;
  h.data->for_each_by_id(nullptr, h.lsn, [&](const vectors::Collection::Found& p) {
    json::object point = render_point(h, p, shape, h.lsn);
    if (point.if_contains("vector") == nullptr) point["vector"] = json::object();
    *out += json::serialize(point) + "\n";
    return true;
  });
}

// Written beside its place, synced and renamed, so that a snapshot is whole or not there.
json::object store(const fs::path& directory, const std::string& stem, const std::string& bytes) {
  fs::create_directories(directory);
  fs::path path = directory / (stem + ".snapshot");
  for (int i = 2; fs::exists(path); ++i) path = directory / fmt::format("{}-{}.snapshot", stem, i);
  const fs::path making = path.string() + ".making";
  const int fd = ::open(making.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool good = fd >= 0;
  for (size_t at = 0; good && at < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    good = n > 0;
    at += good ? static_cast<size_t>(n) : 0;
  }
  good = good && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!good) {
    std::error_code ignored;
    fs::remove(making, ignored);
    throw ApiError(500, "Service internal error: the snapshot could not be written");
  }
  fs::rename(making, path);
  return describe(path);
}

// The body of a plain HTTP answer: snapshots of another server, or of this one.
std::string http_get(std::string_view url, std::string_view api_key) {
  auto fail = [&](std::string_view why) { bad_request(fmt::format("Failed to download snapshot from {}: {}", url, why)); };
  std::string_view rest = url.substr(7);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string host(rest.substr(0, slash)), port = "80";
  if (const size_t colon = host.rfind(':'); colon != std::string::npos) {
    port = host.substr(colon + 1);
    host.resize(colon);
  }
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) fail("unknown host");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  int fd = -1;
  for (const addrinfo* a = found; a != nullptr && fd < 0; a = a->ai_next) {
    fd = ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    const timeval patience{60, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd >= 0 && ::connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
      ::close(fd);
      fd = -1;
    }
  }
  if (fd < 0) fail("connection refused");
  std::string request = fmt::format("GET {} HTTP/1.0\r\nHost: {}:{}\r\n", slash < rest.size() ? rest.substr(slash) : "/", host, port);
  if (!api_key.empty()) request += fmt::format("api-key: {}\r\n", api_key);
  request += "\r\n";
  bool good = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
  std::string answer;
  char buffer[65536];
  while (good) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) {
      good = n == 0;
      break;
    }
    answer.append(buffer, static_cast<size_t>(n));
    if (answer.size() > (uint64_t{1} << 33)) good = false;
    // A server that keeps the connection says how long the body is.
    const size_t head = answer.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    std::string headers = answer.substr(0, head);
    std::transform(headers.begin(), headers.end(), headers.begin(), [](unsigned char c) { return std::tolower(c); });
    const size_t length = headers.find("\r\ncontent-length:");
    if (length != std::string::npos && answer.size() >= head + 4 + std::strtoull(headers.c_str() + length + 17, nullptr, 10)) break;
  }
  ::close(fd);
  const size_t head = answer.find("\r\n\r\n");
  if (!good || head == std::string::npos) fail("the connection broke");
  if (answer.size() < 12 || answer.compare(9, 3, "200") != 0) fail("status code " + answer.substr(9, 3));
  return answer.substr(head + 4);
}

void restore(Engine& engine, const std::string& collection, const std::string& bytes, const std::optional<std::string>& checksum) {
  if (checksum) {
    const std::string have = sha256_of(bytes);
    if (have != *checksum) bad_request(fmt::format("Snapshot checksum mismatch: expected {}, got {}", *checksum, have));
  }
  size_t at = 0;
  auto line = [&](json::value* v) {
    if (at >= bytes.size()) return false;
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    boost::system::error_code ec;
    *v = json::parse({bytes.data() + at, end - at}, ec);
    if (ec || !v->is_object()) bad_request("the file is no snapshot of a collection, or is damaged");
    at = end + 1;
    return true;
  };
  json::value head;
  if (!line(&head) || head.get_object().if_contains("stele_snapshot") == nullptr || object_member(head.get_object(), "config") == nullptr) {
    bad_request("the file is no snapshot of a collection, or is damaged");
  }
  if (head.get_object().at("stele_snapshot") != 1) bad_request("the snapshot was made by a newer version");
  if (engine.exists(collection) && !engine.open(collection).made_here()) {
    bad_request(fmt::format("`{}` was not made as a collection: it is restored where it was made", collection));
  }
  // Filled under another name, so that what is there is replaced by all of it or not at all.
  const std::string making = fmt::format("{}~recovering", collection);
  engine.drop(making);
  engine.create(making, *object_member(head.get_object(), "config"));
  try {
    const Handle h = engine.open(making);
    std::vector<PointWrite> writes;
    for (json::value v; line(&v);) writes.push_back(whole_point(h, v.get_object()));
    if (!writes.empty()) engine.write(h, std::move(writes), true);
    engine.replace(collection, making);
  } catch (...) {
    engine.drop(making);
    throw;
  }
}

// The first file of a multipart/form-data body.
std::string uploaded(const HttpRequest& http) {
  const std::string_view type = http.header("content-type");
  const size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string_view::npos) bad_request("the snapshot must be sent as multipart/form-data");
  std::string boundary(type.substr(at + 9, type.find(';', at) - (at + 9)));
  if (boundary.size() > 1 && boundary.front() == '"') boundary = boundary.substr(1, boundary.size() - 2);
  const size_t part = http.body.find("--" + boundary), head = http.body.find("\r\n\r\n", part == std::string::npos ? 0 : part);
  const size_t end = head == std::string::npos ? head : http.body.find("\r\n--" + boundary, head + 2);
  if (part == std::string::npos || end == std::string::npos) bad_request("the snapshot's multipart body is broken");
  return end < head + 4 ? std::string() : http.body.substr(head + 4, end - head - 4);
}

std::string now_stem(const std::string& name, bool full) {
  const std::string when = time_text(std::time(nullptr), "%Y-%m-%d-%H-%M-%S");
  return full ? "full-snapshot-" + when : name + "-0-" + when;
}

}  // namespace

std::optional<json::value> snapshots(Engine& engine, const Request& r, const std::string& collection, const std::string& part,
                                     const std::vector<std::string>& rest, HttpResponse* raw) {
  const std::string& method = r.http.method;
  std::string name;
  if (!collection.empty()) {
    // Recovery may make the collection.
    if (rest.size() == 1 && ((rest[0] == "recover" && method == "PUT") || (rest[0] == "upload" && method == "POST"))) {
      std::optional<std::string> checksum;
      std::string bytes;
      if (rest[0] == "upload") {
        if (const std::string* c = r.http.param("checksum")) checksum = *c;
        bytes = uploaded(r.http);
      } else {
        const json::object& body = as_object(r.body, "body");
        const std::string location = as_string(required(body, "location"), "location");
        checksum = string_member(body, "checksum");
        if (location.starts_with("http://")) {
          bytes = http_get(location, string_member(body, "api_key").value_or(std::string(r.http.header("api-key"))));
        } else if (location.starts_with("file://")) {
          bytes = read_file(percent_decode(location.substr(7), false));
        } else if (location.starts_with("https://")) {
          bad_request("snapshots over https are not supported: download the file and upload it");
        } else {
          bad_format("relative URL without a base");
        }
      }
      restore(engine, engine.exists(collection) ? engine.open(collection).name : collection, bytes, checksum);
      return json::value(true);
    }
    name = engine.open(collection).name;
  }
  const fs::path directory = folder(engine, name, part);
  if (rest.empty() && method == "POST") {
    std::string bytes;
    if (!collection.empty()) {
      append_collection(engine.open(name), &bytes);
    } else {
      for (const std::string& one : engine.list()) append_collection(engine.open(one), &bytes);
      json::object aliases;
      for (const auto& [alias, of] : engine.aliases()) aliases[alias] = of;
      bytes += json::serialize(json::object{{"aliases", std::move(aliases)}}) + "\n";
    }
    return json::value(store(directory, now_stem(name, collection.empty()), bytes));
  }
  if (rest.empty() && method == "GET") {
    json::array out;
    std::error_code none;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory, none)) {
      if (entry.is_regular_file() && entry.path().extension() == ".snapshot") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& path : files) out.push_back(describe(path));
    return json::value(std::move(out));
  }
  if (rest.size() == 1 && method == "DELETE") {
    fs::remove(file_of(directory, rest[0]));
    return json::value(true);
  }
  if (rest.size() == 1 && method == "GET") {
    raw->body = read_file(file_of(directory, rest[0]));
    raw->content_type = "application/octet-stream";
    raw->headers.emplace_back("Content-Disposition", fmt::format("attachment; filename=\"{}\"", rest[0]));
    return std::nullopt;
  }
  throw ApiError(404, "Not found: no such endpoint");
}

}  // namespace stele::qdrant
