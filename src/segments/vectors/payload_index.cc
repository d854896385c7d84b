#include "segments/vectors/payload_index.h"

#include <boost/json.hpp>

namespace stele::segments::vectors {

namespace {
void push(std::vector<uint32_t>& list, uint32_t ordinal) {
  if (list.empty() || list.back() != ordinal) list.push_back(ordinal);
}
bool indexed_value(const json::value& v) { return v.is_string() || v.is_int64() || v.is_uint64() || v.is_bool(); }
// 1 and 1.0 in a filter mean the same integer.
std::string key_of_value(const json::value& v) {
  if (const auto* d = v.if_double(); d != nullptr && *d == std::floor(*d) && std::fabs(*d) < 9e18) return std::to_string(static_cast<int64_t>(*d));
  return json::serialize(v);
}
uint32_t cell_of(double degrees, double lowest) { return static_cast<uint32_t>(std::clamp((degrees - lowest) * 16, 0.0, 65535.0)); }
double number_member(const json::object& o, const char* name) {
  const json::value* v = o.if_contains(name);
  return v != nullptr && v->is_number() ? v->to_number<double>() : NAN;
}
}  // namespace

PayloadIndex::PayloadIndex(const std::string& key, const json::value& schema) : key_(key), path_(parse_path(key)) {
  const json::object* o = schema.if_object();
  const json::value* type = o == nullptr ? &schema : o->if_contains("type");
  if (type != nullptr && *type == "text") text_ = std::make_shared<const TextAnalysis>(schema);
  geo_ = type != nullptr && *type == "geo";
}

void PayloadIndex::add(uint32_t ordinal, const json::value& payload) {
  std::unique_lock lock(mutex_);
  auto take = [&](const json::value& v) {
    if (text_ != nullptr) {
      if (!v.is_string()) return;
      for (const std::string& token : text_->document({v.get_string().data(), v.get_string().size()})) push(values_[token], ordinal);
      return;
    }
    if (geo_) {
      if (!v.is_object()) return;
      const double lat = number_member(v.get_object(), "lat"), lon = number_member(v.get_object(), "lon");
      if (std::isfinite(lat) && std::isfinite(lon)) push(cells_[cell_of(lat, -90) << 16 | cell_of(lon, -180)], ordinal);
      return;
    }
    if (indexed_value(v)) push(values_[json::serialize(v)], ordinal);
    double x;
    if (v.is_number()) {
      push(numbers_[v.to_number<double>()], ordinal);
    } else if (v.is_string() && parse_datetime({v.get_string().data(), v.get_string().size()}, &x)) {
      push(numbers_[x], ordinal);
    }
  };
  visit_path(payload, path_, [&](const json::value& v) {
    if (const json::array* a = v.if_array()) {
      for (const json::value& x : *a) take(x);
    } else {
      take(v);
    }
    return true;
  });
}

bool PayloadIndex::answers(const FilterProbe& probe) const {
  switch (probe.kind) {
    case FilterProbe::Kind::kValues: case FilterProbe::Kind::kRange: return text_ == nullptr && !geo_;
    case FilterProbe::Kind::kTokens: return text_ != nullptr;
    case FilterProbe::Kind::kBox: return geo_;
  }
  return false;
}

template <class F>
void PayloadIndex::lists(const FilterProbe& probe, const F& f) const {
  auto value = [&](const std::string& key) {
    auto it = values_.find(key);
    if (it != values_.end()) f(it->second);
  };
  switch (probe.kind) {
    case FilterProbe::Kind::kValues:
      for (const json::value& v : probe.values) value(key_of_value(v));
      break;
    case FilterProbe::Kind::kRange:
      for (auto it = numbers_.lower_bound(probe.low); it != numbers_.end() && it->first <= probe.high; ++it) f(it->second);
      break;
    case FilterProbe::Kind::kTokens: {
      if (probe.any_token) {
        for (const std::string& token : probe.tokens) value(token);
        break;
      }
      // All of them: the rarest says enough, and one that is nowhere says it all.
      const Postings* rarest = nullptr;
      for (const std::string& token : probe.tokens) {
        auto it = values_.find(token);
        if (it == values_.end()) return;
        if (rarest == nullptr || it->second.size() < rarest->size()) rarest = &it->second;
      }
      if (rarest != nullptr) f(*rarest);
      break;
    }
    case FilterProbe::Kind::kBox: {
      auto rows = [&](double west, double east) {
        for (uint32_t lat = cell_of(probe.south, -90); lat <= cell_of(probe.north, -90); ++lat) {
          auto it = cells_.lower_bound(lat << 16 | cell_of(west, -180));
          if (it == cells_.end()) return;
          lat = std::max(lat, it->first >> 16);   // rows without points
          it = cells_.lower_bound(lat << 16 | cell_of(west, -180));
          for (; it != cells_.end() && it->first <= (lat << 16 | cell_of(east, -180)) && lat <= cell_of(probe.north, -90); ++it) f(it->second);
        }
      };
      if (probe.west <= probe.east) {
        rows(probe.west, probe.east);
      } else {
        rows(probe.west, 180);
        rows(-180, probe.east);
      }
      break;
    }
  }
}

std::optional<uint64_t> PayloadIndex::estimate(const FilterProbe& probe) const {
  if (!answers(probe)) return std::nullopt;
  std::shared_lock lock(mutex_);
  uint64_t n = 0;
  lists(probe, [&](const Postings& list) { n += list.size(); });
  return n;
}

std::optional<std::vector<uint32_t>> PayloadIndex::find(const FilterProbe& probe) const {
  if (!answers(probe)) return std::nullopt;
  std::vector<uint32_t> out;
  {
    std::shared_lock lock(mutex_);
    lists(probe, [&](const Postings& list) { out.insert(out.end(), list.begin(), list.end()); });
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace stele::segments::vectors
