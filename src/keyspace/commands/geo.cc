// Geographic sets: positions as 52-bit interleaved geohashes in sorted set scores.
#include "keyspace/keyspace.h"

namespace stele::keyspace {
namespace {

constexpr double kLatMin = -85.05112878, kLatMax = 85.05112878, kLonMin = -180, kLonMax = 180, kEarth = 6372797.560856;
constexpr int kStep = 26;

uint64_t spread(uint32_t v) {
  uint64_t x = v;
  x = (x | x << 16) & 0x0000ffff0000ffffull;
  x = (x | x << 8) & 0x00ff00ff00ff00ffull;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
  x = (x | x << 2) & 0x3333333333333333ull;
  return (x | x << 1) & 0x5555555555555555ull;
}
uint32_t squash(uint64_t x) {
  x &= 0x5555555555555555ull;
  x = (x | x >> 1) & 0x3333333333333333ull;
  x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0full;
  x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
  x = (x | x >> 8) & 0x0000ffff0000ffffull;
  return static_cast<uint32_t>(x | x >> 16);
}
uint64_t encode(double lon, double lat, double lat_min, double lat_max) {
  double y = (lat - lat_min) / (lat_max - lat_min) * (1 << kStep), x = (lon - kLonMin) / (kLonMax - kLonMin) * (1 << kStep);
  return spread(static_cast<uint32_t>(y)) | spread(static_cast<uint32_t>(x)) << 1;
}
void decode(double score, double* lon, double* lat) {
  auto bits = static_cast<uint64_t>(score);
  double y = squash(bits), x = squash(bits >> 1), cells = 1 << kStep;
  double lat0 = kLatMin + y / cells * (kLatMax - kLatMin), lat1 = kLatMin + (y + 1) / cells * (kLatMax - kLatMin);
  double lon0 = kLonMin + x / cells * (kLonMax - kLonMin), lon1 = kLonMin + (x + 1) / cells * (kLonMax - kLonMin);
  *lon = std::clamp((lon0 + lon1) / 2, kLonMin, kLonMax);
  *lat = std::clamp((lat0 + lat1) / 2, kLatMin, kLatMax);
}
double radians(double d) { return d * (M_PI / 180.0); }
double lat_distance(double a, double b) { return kEarth * std::fabs(radians(b) - radians(a)); }
double distance(double lon1, double lat1, double lon2, double lat2) {
  double v = std::sin((radians(lon2) - radians(lon1)) / 2);
  if (v == 0) return lat_distance(lat1, lat2);
  double u = std::sin((radians(lat2) - radians(lat1)) / 2);
  double a = u * u + std::cos(radians(lat1)) * std::cos(radians(lat2)) * v * v;
  return 2 * kEarth * std::asin(std::sqrt(a));
}
bool get_position(Call& c, size_t i, double* lon, double* lat) {
  if (!c.get_double(i, lon) || !c.get_double(i + 1, lat)) return false;
  if (*lon < kLonMin || *lon > kLonMax || *lat < kLatMin || *lat > kLatMax)
    return c.fail(fmt::format("-ERR invalid longitude,latitude pair {:.6f},{:.6f}", *lon, *lat));
  return true;
}
bool get_unit(Call& c, size_t i, double* factor) {
  if (c.is(i, "m")) *factor = 1;
  else if (c.is(i, "km")) *factor = 1000;
  else if (c.is(i, "ft")) *factor = 0.3048;
  else if (c.is(i, "mi")) *factor = 1609.34;
  else return c.fail("unsupported unit provided. please use M, KM, FT, MI");
  return true;
}
std::string distance_text(double d) { return fmt::format("{:.4f}", d); }

void cmd_geoadd(Call& c) {
  size_t at = 2;
  bool nx = false, xx = false, ch = false;
  for (; at < c.argc(); ++at) {
    if (c.is(at, "nx")) nx = true;
    else if (c.is(at, "xx")) xx = true;
    else if (c.is(at, "ch")) ch = true;
    else break;
  }
  if ((c.argc() - at) % 3 || (nx && xx)) { c.syntax_error(); return; }
  size_t n = (c.argc() - at) / 3;
  std::vector<double> scores(n);
  for (size_t k = 0; k < n; ++k) {
    double lon, lat;
    if (!get_position(c, at + k * 3, &lon, &lat)) return;
    scores[k] = static_cast<double>(encode(lon, lat, kLatMin, kLatMax));
  }
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, true, &bad);
  if (bad) return;
  if (e == nullptr) {
    if (xx) { c.reply.integer(0); return; }
    if (n == 0) { c.syntax_error(); return; }
    e = c.ks.add(c.db, c[1], Object::new_zset());
  }
  uint64_t added = 0, updated = 0;
  for (size_t k = 0; k < n; ++k) {
    double ignored;
    auto r = zset_add(c.ks, e->value, c[at + k * 3 + 2], scores[k], (nx ? kZaddNx : 0u) | (xx ? kZaddXx : 0u), &ignored);
    added += r == kZaddAdded;
    updated += r == kZaddUpdated;
  }
  c.reply.integer(static_cast<int64_t>(ch ? added + updated : added));
  if (added + updated > 0) c.changed(c[1], kNotifyZset, "zadd", added + updated);
}
void cmd_geohash(Call& c) {
  static const char* alphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (bad) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    double s, lon, lat;
    if (e == nullptr || !zset_score(e->value, c[i], &s)) { c.reply.null(); continue; }
    decode(s, &lon, &lat);
    uint64_t bits = encode(lon, lat, -90, 90);
    char buf[12];
    for (int k = 0; k < 11; ++k) buf[k] = alphabet[k == 10 ? 0 : (bits >> (52 - (k + 1) * 5)) & 31];
    c.reply.bulk({buf, 11});
  }
}
void cmd_geopos(Call& c) {
  bool bad;
  Entry* e = c.typed(c[1], Type::kZset, false, &bad);
  if (bad) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    double s, lon, lat;
    if (e == nullptr || !zset_score(e->value, c[i], &s)) { c.reply.null_array(); continue; }
    decode(s, &lon, &lat);
    c.reply.array(2);
    c.reply.human(lon);
    c.reply.human(lat);
  }
}
void cmd_geodist(Call& c) {
  double unit = 1;
  if (c.argc() == 5) { if (!get_unit(c, 4, &unit)) return; }
  else if (c.argc() > 5) { c.syntax_error(); return; }
  Entry* e = c.read_or(c[1], Type::kZset, &Reply::null);
  if (e == nullptr) return;
  double a, b, x1, y1, x2, y2;
  if (!zset_score(e->value, c[2], &a) || !zset_score(e->value, c[3], &b)) { c.reply.null(); return; }
  decode(a, &x1, &y1);
  decode(b, &x2, &y2);
  c.reply.bulk(distance_text(distance(x1, y1, x2, y2) / unit));
}

enum Flags : uint32_t { kCoords = 1, kMember = 2, kNoStore = 4, kSearch = 8, kSearchStore = 16 };

void search(Call& c, size_t key_at, uint32_t flags) {
  double lon = 0, lat = 0, unit = 1, radius = 0, width = 0, height = 0;
  bool box = false, from = false, by = false, with_dist = false, with_hash = false, with_coord = false, any = false, store_dist = false, has_store = false;
  int64_t count = 0;
  int order = 0;
  std::string_view store;
  Entry* e = c.ks.lookup_read(c.db, c[key_at]);
  if (e != nullptr && e->value.type() != Type::kZset) { c.wrong_type(); return; }
  size_t base;
  bool missing_member = false;
  auto member_at = [&](size_t i) {
    double s;
    if (e == nullptr) { missing_member = true; return true; }
    if (!zset_score(e->value, c[i], &s)) return c.fail("could not decode requested zset member");
    decode(s, &lon, &lat);
    return true;
  };
  if (flags & kCoords) {
    base = 6;
    if (!get_position(c, 2, &lon, &lat)) return;
    if (!c.get_double(4, &radius, "need numeric radius")) return;
    if (radius < 0) { c.fail("radius cannot be negative"); return; }
    if (!get_unit(c, 5, &unit)) return;
  } else if (flags & kMember) {
    base = 5;
    if (e != nullptr && !member_at(2)) return;
    if (!c.get_double(3, &radius, "need numeric radius")) return;
    if (radius < 0) { c.fail("radius cannot be negative"); return; }
    if (!get_unit(c, 4, &unit)) return;
  } else {
    base = key_at + 1;
    if (flags & kSearchStore) { has_store = true; store = c[1]; }
  }
  for (size_t i = base; i < c.argc(); ++i) {
    size_t left = c.argc() - i - 1;
    if (c.is(i, "withdist")) with_dist = true;
    else if (c.is(i, "withhash")) with_hash = true;
    else if (c.is(i, "withcoord")) with_coord = true;
    else if (c.is(i, "any")) any = true;
    else if (c.is(i, "asc")) order = 1;
    else if (c.is(i, "desc")) order = -1;
    else if (c.is(i, "count") && left >= 1) {
      if (!c.get_int(++i, &count)) return;
      if (count <= 0) { c.fail("COUNT must be > 0"); return; }
    } else if (!(flags & (kNoStore | kSearch | kSearchStore)) && left >= 1 && (c.is(i, "store") || c.is(i, "storedist"))) {
      store_dist = c.is(i, "storedist");
      store = c[++i];
      has_store = true;
    } else if ((flags & (kSearch | kSearchStore)) && c.is(i, "frommember") && left >= 1) {
      if (from) { c.syntax_error(); return; }
      if (!member_at(++i)) return;
      from = true;
    } else if ((flags & (kSearch | kSearchStore)) && c.is(i, "fromlonlat") && left >= 2) {
      if (from) { c.syntax_error(); return; }
      if (!get_position(c, i + 1, &lon, &lat)) return;
      from = true;
      i += 2;
    } else if ((flags & (kSearch | kSearchStore)) && c.is(i, "byradius") && left >= 2) {
      if (by) { c.syntax_error(); return; }
      if (!c.get_double(i + 1, &radius, "need numeric radius")) return;
      if (radius < 0) { c.fail("radius cannot be negative"); return; }
      if (!get_unit(c, i + 2, &unit)) return;
      by = true;
      i += 2;
    } else if ((flags & (kSearch | kSearchStore)) && c.is(i, "bybox") && left >= 3) {
      if (by) { c.syntax_error(); return; }
      if (!c.get_double(i + 1, &width, "need numeric width") || !c.get_double(i + 2, &height, "need numeric height")) return;
      if (width < 0 || height < 0) { c.fail("height or width cannot be negative"); return; }
      if (!get_unit(c, i + 3, &unit)) return;
      by = box = true;
      i += 3;
    } else if ((flags & kSearchStore) && c.is(i, "storedist")) {
      store_dist = true;
    } else { c.syntax_error(); return; }
  }
  if (has_store && (with_dist || with_hash || with_coord)) {
    c.fail(fmt::format("{} is not compatible with WITHDIST, WITHHASH and WITHCOORD options", (flags & kSearchStore) ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS"));
    return;
  }
  if ((flags & (kSearch | kSearchStore)) && !from) { c.fail(fmt::format("exactly one of FROMMEMBER or FROMLONLAT can be specified for {}", lower(c[0]))); return; }
  if ((flags & (kSearch | kSearchStore)) && !by) { c.fail(fmt::format("exactly one of BYRADIUS and BYBOX can be specified for {}", lower(c[0]))); return; }
  if (any && count == 0) { c.fail("the ANY argument requires COUNT argument"); return; }
  if (e == nullptr) {
    if (has_store) {
      std::string key(store);
      if (c.ks.lookup_write(c.db, key) != nullptr && c.ks.remove(c.db, key)) c.changed(key, kNotifyGeneric, "del");
      c.reply.integer(0);
    } else {
      c.reply.array(0);
    }
    return;
  }
  if (count != 0 && order == 0 && !any) order = 1;
  struct Found { std::string member; double dist, score, lon, lat; };
  std::vector<Found> found;
  zset_each(e->value, false, [&](std::string_view m, double s) {
    double x, y, d;
    decode(s, &x, &y);
    if (box) {
      if (lat_distance(lat, y) > height * unit / 2 || distance(x, y, lon, y) > width * unit / 2) return true;
      d = distance(lon, lat, x, y);
    } else {
      d = distance(lon, lat, x, y);
      if (d > radius * unit) return true;
    }
    found.push_back({std::string(m), d, s, x, y});
    return !(any && static_cast<int64_t>(found.size()) >= count);
  });
  if (order != 0)
    std::stable_sort(found.begin(), found.end(), [&](const Found& a, const Found& b) { return order > 0 ? a.dist < b.dist : a.dist > b.dist; });
  if (count > 0 && static_cast<int64_t>(found.size()) > count) found.resize(static_cast<size_t>(count));
  if (has_store) {
    std::string key(store);
    if (!found.empty()) {
      Object z = Object::new_zset_skiplist();
      for (auto& f : found) z.zset().insert(f.member, store_dist ? f.dist / unit : f.score);
      zset_maybe_convert(c.ks, z);
      c.ks.set_key(c.db, key, std::move(z));
      c.changed(key, kNotifyZset, (flags & kSearchStore) ? "geosearchstore" : "georadiusstore", found.size());
    } else if (c.ks.lookup_write(c.db, key) != nullptr && c.ks.remove(c.db, key)) {
      c.changed(key, kNotifyGeneric, "del");
    }
    c.reply.integer(static_cast<int64_t>(found.size()));
    return;
  }
  c.reply.array(found.size());
  size_t options = static_cast<size_t>(with_dist) + with_hash + with_coord;
  for (auto& f : found) {
    if (options) c.reply.array(options + 1);
    c.reply.bulk(f.member);
    if (with_dist) c.reply.bulk(distance_text(f.dist / unit));
    if (with_hash) c.reply.integer(static_cast<int64_t>(f.score));
    if (with_coord) {
      c.reply.array(2);
      c.reply.human(f.lon);
      c.reply.human(f.lat);
    }
  }
}
void cmd_georadius(Call& c) { search(c, 1, kCoords); }
void cmd_georadius_ro(Call& c) { search(c, 1, kCoords | kNoStore); }
void cmd_georadiusbymember(Call& c) { search(c, 1, kMember); }
void cmd_georadiusbymember_ro(Call& c) { search(c, 1, kMember | kNoStore); }
void cmd_geosearch(Call& c) { search(c, 1, kSearch); }
void cmd_geosearchstore(Call& c) { search(c, 2, kSearchStore); }

const HandlerEntry kCommands[] = {{"geoadd", cmd_geoadd}, {"geohash", cmd_geohash}, {"geopos", cmd_geopos}, {"geodist", cmd_geodist},
                                  {"georadius", cmd_georadius}, {"georadius_ro", cmd_georadius_ro}, {"georadiusbymember", cmd_georadiusbymember},
                                  {"georadiusbymember_ro", cmd_georadiusbymember_ro}, {"geosearch", cmd_geosearch}, {"geosearchstore", cmd_geosearchstore}};
}  // namespace
std::span<const HandlerEntry> geo_commands() { return kCommands; }
}  // namespace stele::keyspace
