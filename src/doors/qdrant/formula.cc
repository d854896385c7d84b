#include "doors/qdrant/formula.h"

#include "segments/vectors/payload.h"

namespace stele::qdrant {

namespace {

using vectors::Collection;

struct Context {
  const Handle& handle;
  const Collection::Found& point;
  const std::vector<std::optional<double>>& scores;
  const json::object& defaults;
};

class Node {
 public:
  virtual ~Node() = default;
  virtual double value(const Context& c) const = 0;
};
using NodePtr = std::shared_ptr<const Node>;

template <class F>
class Computed : public Node {
 public:
  explicit Computed(F f) : f_(std::move(f)) {}
  double value(const Context& c) const override { return f_(c); }

 private:
  F f_;
};
template <class F>
NodePtr computed(F f) { return std::make_shared<Computed<F>>(std::move(f)); }

[[noreturn]] void no_variant() { bad_format("data did not match any variant of untagged enum Expression"); }

// A payload value, or its default; null when there is neither.
json::value lookup(const Context& c, const std::string& key) {
  json::value out;
  if (c.point.payload != nullptr) {
    vectors::visit_path(*c.point.payload, vectors::parse_path(key), [&](const json::value& v) {
      out = v.is_array() && !v.get_array().empty() ? v.get_array()[0] : v;
      return false;
    });
  }
  if (out.is_null()) {
    if (const json::value* d = c.defaults.if_contains(key)) out = *d;
  }
  return out;
}

double haversine_m(double lat1, double lon1, double lat2, double lon2) {
  constexpr double kRadius = 6371008.8, kDegree = 0.017453292519943295;
  const double a = std::sin((lat2 - lat1) * kDegree / 2), b = std::sin((lon2 - lon1) * kDegree / 2);
  const double h = a * a + std::cos(lat1 * kDegree) * std::cos(lat2 * kDegree) * b * b;
  return 2 * kRadius * std::asin(std::sqrt(std::min(1.0, h)));
}
bool as_point(const json::value& v, double* lat, double* lon) {
  const json::object* o = v.if_object();
  if (o == nullptr || o->if_contains("lat") == nullptr || o->if_contains("lon") == nullptr) return false;
  *lat = as_double(o->at("lat"), "lat");
  *lon = as_double(o->at("lon"), "lon");
  return true;
}

double checked(double x, const char* what) {
  if (!std::isfinite(x)) bad_request(fmt::format("The expression {} is not a finite number", what));
  return x;
}

NodePtr parse(const json::value& v, const json::object* schema, int depth);

NodePtr variable(const std::string& name) {
  if (name == "$score" || (name.starts_with("$score[") && name.ends_with("]"))) {
    const size_t index = name == "$score" ? 0 : std::strtoul(name.c_str() + 7, nullptr, 10);
    return computed([index, name](const Context& c) {
      if (index < c.scores.size() && c.scores[index]) return *c.scores[index];
      const json::value* d = c.defaults.if_contains(name);
      if (d == nullptr && name == "$score") d = c.defaults.if_contains("$score[0]");
      return d == nullptr ? 0.0 : as_double(*d, name);
    });
  }
  vectors::parse_path(name);
  return computed([name](const Context& c) {
    const json::value v = lookup(c, name);
    if (!v.is_number()) {
      bad_request(fmt::format("Expected number value for {} in the payload and/or in the formula defaults. Error: {}", name,
                              v.is_null() ? "No value found in a payload nor defaults" : "Value is not a number"));
    }
    return v.to_number<double>();
  });
}

NodePtr decay(const std::string& kind, const json::object& o, const json::object* schema, int depth) {
  const NodePtr x = parse(required(o, "x"), schema, depth + 1);
  const json::value* t = member(o, "target");
  const NodePtr target = t == nullptr ? nullptr : parse(*t, schema, depth + 1);
  const double scale = number_member(o, "scale").value_or(1), midpoint = number_member(o, "midpoint").value_or(0.5);
  if (!(scale > 0)) bad_request(fmt::format("Validation error: decay scale must be greater than 0, got {}", scale));
  if (!(midpoint > 0 && midpoint < 1)) bad_request(fmt::format("Validation error: decay midpoint must be between 0 and 1 (exclusive), got {}", midpoint));
  return computed([=](const Context& c) {
    const double d = std::fabs(x->value(c) - (target == nullptr ? 0 : target->value(c)));
    if (kind == "exp_decay") return std::exp(std::log(midpoint) / scale * d);
    if (kind == "gauss_decay") return std::exp(std::log(midpoint) / (scale * scale) * d * d);
    return std::max(0.0, 1 - (1 - midpoint) / scale * d);
  });
}

NodePtr parse(const json::value& v, const json::object* schema, int depth) {
  if (depth > 64) bad_request("the formula is nested too deeply");
  if (v.is_number()) {
    return computed([x = v.to_number<double>()](const Context&) { return x; });
  }
  if (v.is_string()) return variable(std::string(view(v.get_string())));
  const json::object* o = v.if_object();
  if (o == nullptr) no_variant();
  if (o->size() == 1) {
    const std::string kind(view(o->begin()->key()));
    const json::value& x = o->begin()->value();
    if (kind == "mult" || kind == "sum") {
      std::vector<NodePtr> parts;
      for (const json::value& p : as_array(x, kind)) parts.push_back(parse(p, schema, depth + 1));
      return computed([parts, mult = kind == "mult"](const Context& c) {
        double out = mult ? 1 : 0;
        for (const auto& p : parts) {
          const double y = p->value(c);
          out = mult ? out * y : out + y;
          if (mult && out == 0) return 0.0;
        }
        return out;
      });
    }
    using Unary = double (*)(double);
    static const std::map<std::string, Unary> kUnary = {
        {"neg", [](double y) { return -y; }}, {"abs", [](double y) { return std::fabs(y); }},
        {"sqrt", [](double y) { return checked(std::sqrt(y), "sqrt"); }}, {"exp", [](double y) { return checked(std::exp(y), "exp"); }},
        {"log10", [](double y) { return checked(std::log10(y), "log10"); }}, {"ln", [](double y) { return checked(std::log(y), "ln"); }}};
    if (auto it = kUnary.find(kind); it != kUnary.end()) {
      return computed([f = it->second, p = parse(x, schema, depth + 1)](const Context& c) { return f(p->value(c)); });
    }
    if (kind == "div") {
      const json::object& d = as_object(x, kind);
      return computed([left = parse(required(d, "left"), schema, depth + 1), right = parse(required(d, "right"), schema, depth + 1),
                       otherwise = number_member(d, "by_zero_default")](const Context& c) {
        const double l = left->value(c);
        if (l == 0) return 0.0;
        const double r = right->value(c);
        if (r == 0 && otherwise) return *otherwise;
        return checked(l / r, fmt::format("{}/{}", l, r).c_str());
      });
    }
    if (kind == "pow") {
      const json::object& d = as_object(x, kind);
      return computed([base = parse(required(d, "base"), schema, depth + 1), exponent = parse(required(d, "exponent"), schema, depth + 1)](const Context& c) {
        return checked(std::pow(base->value(c), exponent->value(c)), "pow");
      });
    }
    if (kind == "geo_distance") {
      const json::object& d = as_object(x, kind);
      double lat, lon;
      if (!as_point(required(d, "origin"), &lat, &lon)) no_variant();
      const std::string to = as_string(required(d, "to"), "to");
      return computed([=](const Context& c) {
        double lat2, lon2;
        if (!as_point(lookup(c, to), &lat2, &lon2)) bad_request(fmt::format("Expected geo point value for {} in the payload and/or in the formula defaults.", to));
        return haversine_m(lat, lon, lat2, lon2);
      });
    }
    if (kind == "datetime" || kind == "datetime_key") {
      const std::string text = as_string(x, kind);
      double seconds = 0;
      if (kind == "datetime") {
        if (!vectors::parse_datetime(text, &seconds)) bad_format(fmt::format("'{}' does not match accepted datetime format", text));
        return computed([seconds](const Context&) { return seconds; });
      }
      return computed([text](const Context& c) {
        const json::value v = lookup(c, text);
        double s;
        if (!v.is_string() || !vectors::parse_datetime(view(v.get_string()), &s)) {
          bad_request(fmt::format("Expected datetime value for {} in the payload and/or in the formula defaults.", text));
        }
        return s;
      });
    }
    if (kind == "exp_decay" || kind == "gauss_decay" || kind == "lin_decay") return decay(kind, as_object(x, kind), schema, depth);
  }
  // A condition counts 1 where it holds.
  const auto filter = vectors::Filter::parse(json::object{{"must", json::array{v}}}, schema);
  return computed([filter](const Context& c) { return c.handle.data->matches(*filter, c.point, c.handle.lsn) ? 1.0 : 0.0; });
}

class Parsed : public Formula {
 public:
  Parsed(NodePtr root, json::object defaults) : root_(std::move(root)), defaults_(std::move(defaults)) {}
  double evaluate(const Handle& h, const Collection::Found& point, const std::vector<std::optional<double>>& scores) const override {
    return checked(root_->value({h, point, scores, defaults_}), "formula");
  }

 private:
  NodePtr root_;
  json::object defaults_;
};

}  // namespace

std::shared_ptr<const Formula> Formula::parse(const json::object& query, const json::object* schema) {
  json::object defaults;
  if (const json::object* d = object_member(query, "defaults")) defaults = *d;
  return std::make_shared<Parsed>(qdrant::parse(required(query, "formula"), schema, 0), std::move(defaults));
}

}  // namespace stele::qdrant
