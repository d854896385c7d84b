// Checkpoint files of graphs. Version 1:
//   header page (4096 bytes): magic, version, parameters, nodes, entry, size and checksum of the tail, and
//   its own checksum behind them
//   for each chunk: its nodes as in memory, then (quantised) its full vectors; both fill whole pages
//   tail: a checksum (u32) for each chunk, a level (u8) for each node, the links of the upper layers, the
//   owner's bytes
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/hash.h"
#include "segments/vectors/hnsw_impl.h"

namespace stele::segments::vectors {

namespace {

constexpr uint64_t kMagic = 0x3168706172476553;  // "SeGraph1"
constexpr size_t kHeaderBytes = 4096;

struct Header {
  uint64_t magic;
  uint32_t version, dimensions, metric, m, quantize, node_bytes, nodes, tail_checksum;
  uint64_t entry, tail_bytes, extra_bytes;
};

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool write(const char* data, size_t n) const {
    while (n > 0) {
      const ssize_t w = ::write(fd_, data, n);
      if (w < 0 && errno == EINTR) continue;
      if (w <= 0) return false;
      data += w;
      n -= static_cast<size_t>(w);
    }
    return true;
  }
  bool read(char* data, size_t n, uint64_t at) const {
    while (n > 0) {
      const ssize_t r = ::pread(fd_, data, n, static_cast<off_t>(at));
      if (r < 0 && errno == EINTR) continue;
      if (r <= 0) return false;
      data += r;
      n -= static_cast<size_t>(r);
      at += static_cast<uint64_t>(r);
    }
    return true;
  }

 private:
  int fd_;
};

}  // namespace

bool HnswGraph::save(const std::string& path, uint32_t limit, std::string_view extra) const {
  const Impl& g = *impl_;
  const std::string temporary = path + ".new";
  File file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.fd() < 0) return false;
  Header h{};
  h.magic = kMagic;
  h.version = 1;
  h.dimensions = params_.dimensions;
  h.metric = static_cast<uint32_t>(params_.metric);
  h.m = g.m;
  h.quantize = params_.quantize;
  h.node_bytes = static_cast<uint32_t>(g.node_bytes);
  h.nodes = limit;
  h.entry = g.entry.load(std::memory_order_acquire);
  if (static_cast<uint32_t>(h.entry) >= limit) {  // a later node took the lead: the highest one kept does
    h.entry = 0;
    for (uint32_t s = 0; s < limit; ++s) {
      const uint64_t level = g.chunk(s).level[s % kChunkNodes];
      if (h.entry == 0 || level + 1 > h.entry >> 32) h.entry = (level + 1) << 32 | s;
    }
  }
  std::string tail, levels, upper;
  std::vector<uint32_t> near(g.m0);
  auto kept_links = [&](uint32_t slot, int layer) {
    const uint32_t n = g.copy_links(slot, layer, near.data());
    return static_cast<uint32_t>(std::remove_if(near.begin(), near.begin() + n, [limit](uint32_t x) { return x >= limit; }) - near.begin());
  };
  std::string page(kHeaderBytes, '\0');
  bool ok = file.write(page.data(), page.size());  // the real one comes last
  std::string buffer;
  for (uint32_t first = 0; ok && first < limit; first += kChunkNodes) {
    const NodeChunk& c = g.chunk(first);
    const uint32_t n = std::min(kChunkNodes, limit - first);
    buffer.assign(g.node_bytes * kChunkNodes, '\0');
    for (uint32_t i = 0; i < n; ++i) {
      char* to = buffer.data() + g.node_bytes * i;
      std::memcpy(to + g.vector_offset, g.node(first + i) + g.vector_offset, g.vector_bytes);
      const uint32_t count = kept_links(first + i, 0);
      std::fill(near.begin() + count, near.begin() + g.m0, kNoLink);
      std::memcpy(to + g.links_offset, near.data(), g.m0 * sizeof(uint32_t));
      const int level = c.level[i];
      levels.push_back(static_cast<char>(level));
      for (int layer = 1; layer <= level; ++layer) {
        const uint32_t up = kept_links(first + i, layer);
        put_varint(upper, up);
        for (uint32_t j = 0; j < up; ++j) put_varint(upper, near[j]);
      }
    }
    std::string full;
    if (params_.quantize) {
      full.assign(c.full.bytes(), '\0');
      const size_t each = g.padded * sizeof(float);
      std::memcpy(full.data(), c.full.data(), each * n);
    }
    put_le<uint32_t>(tail, checksum32(buffer, full));
    ok = file.write(buffer.data(), buffer.size()) && file.write(full.data(), full.size());
  }
  tail += levels;
  tail += upper;
  tail += extra;
  h.tail_bytes = tail.size();
  h.extra_bytes = extra.size();
  h.tail_checksum = checksum32(tail);
  ok = ok && file.write(tail.data(), tail.size());
  std::memcpy(page.data(), &h, sizeof h);
  const uint32_t sum = checksum32(std::string_view(page).substr(0, sizeof h));
  std::memcpy(page.data() + sizeof h, &sum, sizeof sum);
  ok = ok && ::pwrite(file.fd(), page.data(), page.size(), 0) == static_cast<ssize_t>(page.size());
  ok = ok && ::fdatasync(file.fd()) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!ok) ::unlink(temporary.c_str());
  return ok;
}

std::unique_ptr<HnswGraph> HnswGraph::open(const std::string& path, const HnswParams& params, bool mapped, std::string* extra) {
  File file(path, O_RDONLY);
  struct stat st;
  if (file.fd() < 0 || ::fstat(file.fd(), &st) != 0) return nullptr;
  std::string page(kHeaderBytes, '\0');
  if (!file.read(page.data(), page.size(), 0)) return nullptr;
  Header h;
  std::memcpy(&h, page.data(), sizeof h);
  uint32_t sum;
  std::memcpy(&sum, page.data() + sizeof h, sizeof sum);
  if (h.magic != kMagic || h.version != 1 || sum != checksum32(std::string_view(page).substr(0, sizeof h))) return nullptr;
  auto graph = std::make_unique<HnswGraph>(params);
  Impl& g = *graph->impl_;
  if (h.dimensions != params.dimensions || h.metric != static_cast<uint32_t>(params.metric) || h.m != g.m ||
      h.quantize != static_cast<uint32_t>(graph->params_.quantize) || h.node_bytes != g.node_bytes) {
    return nullptr;
  }
  const uint32_t chunks = (h.nodes + kChunkNodes - 1) / kChunkNodes;
  const uint64_t node_part = g.node_bytes * kChunkNodes;
  const uint64_t full_part = graph->params_.quantize ? g.padded * sizeof(float) * kChunkNodes : 0;
  const uint64_t tail_at = kHeaderBytes + chunks * (node_part + full_part);
  if (chunks > kMaxChunks || h.extra_bytes > h.tail_bytes || static_cast<uint64_t>(st.st_size) != tail_at + h.tail_bytes) return nullptr;
  std::string tail(h.tail_bytes, '\0');
  if (!file.read(tail.data(), tail.size(), tail_at) || checksum32(tail) != h.tail_checksum) return nullptr;
  Reader sums(std::string_view(tail).substr(0, size_t{chunks} * 4));
  if (tail.size() < size_t{chunks} * 4 + h.nodes) return nullptr;
  const auto* levels = reinterpret_cast<const uint8_t*>(tail.data()) + size_t{chunks} * 4;
  Reader upper(std::string_view(tail).substr(size_t{chunks} * 4 + h.nodes));
  if (h.nodes > 0 && static_cast<uint32_t>(h.entry) >= h.nodes) return nullptr;
  for (uint32_t number = 0; number < chunks; ++number) {
    const uint64_t at = kHeaderBytes + number * (node_part + full_part);
    std::unique_ptr<NodeChunk> c;
    if (mapped) {
      c = std::make_unique<NodeChunk>();
      c->nodes = Pages(node_part, false, file.fd(), at);
      if (full_part > 0) c->full = Pages(full_part, false, file.fd(), at + node_part);
    } else {
      c.reset(g.make_chunk(number));
      if (!file.read(c->nodes.data(), node_part, at)) return nullptr;
      if (full_part > 0 && !file.read(c->full.data(), full_part, at + node_part)) return nullptr;
    }
    NodeChunk* chunk = c.get();
    g.chunks[number].store(c.release(), std::memory_order_release);
    const std::string_view full = full_part > 0 ? std::string_view(chunk->full.data(), full_part) : std::string_view();
    if (sums.le<uint32_t>() != checksum32({chunk->nodes.data(), node_part}, full)) return nullptr;
    const uint32_t first = number * kChunkNodes;
    for (uint32_t i = 0; i < std::min(kChunkNodes, h.nodes - first); ++i) {
      const int level = levels[first + i];
      if (level > kMaxLevel) return nullptr;
      chunk->level[i] = static_cast<uint8_t>(level);
      chunk->linked[i].store(true, std::memory_order_relaxed);
      const Link* l = g.links(first + i, 0);
      for (uint32_t j = 0; j < g.m0; ++j) {
        const uint32_t to = l[j].load(std::memory_order_relaxed);
        if (to != kNoLink && to >= h.nodes) return nullptr;
      }
      if (level == 0) continue;
      const size_t words = static_cast<size_t>(level) * g.m;
      chunk->upper[i] = std::make_unique<Link[]>(words);
      for (size_t j = 0; j < words; ++j) chunk->upper[i][j].store(kNoLink, std::memory_order_relaxed);
      for (int layer = 1; layer <= level; ++layer) {
        const uint64_t n = upper.varint();
        if (n > g.m) return nullptr;
        for (uint64_t j = 0; j < n; ++j) {
          const uint64_t to = upper.varint();
          if (to >= h.nodes || levels[to] < layer) return nullptr;
          g.links(first + i, layer)[j].store(static_cast<uint32_t>(to), std::memory_order_relaxed);
        }
      }
    }
  }
  if (!upper.ok()) return nullptr;
  g.count.store(h.nodes, std::memory_order_release);
  g.linked_count.store(h.nodes, std::memory_order_release);
  g.entry.store(h.nodes == 0 ? 0 : h.entry, std::memory_order_release);
  extra->assign(tail, tail.size() - h.extra_bytes);
  return graph;
}

}  // namespace stele::segments::vectors
