#include "segments/vectors/payload.h"

#include <boost/json.hpp>

#include "base/error.h"

namespace stele::segments::vectors {

PayloadPath parse_path(std::string_view text) {
  PayloadPath path;
  auto bad = [&] { throw Error(ErrorCode::kInvalidParameterValue, fmt::format("invalid JSON path \"{}\"", text)); };
  size_t i = 0;
  bool want_key = true;
  while (i < text.size()) {
    if (text[i] == '[') {
      const size_t close = text.find(']', i);
      if (close == std::string_view::npos || path.empty()) bad();
      const std::string_view inside = text.substr(i + 1, close - i - 1);
      PathStep step;
      if (inside.empty()) {
        step.kind = PathStep::Kind::kAll;
      } else {
        step.kind = PathStep::Kind::kIndex;
        for (char c : inside) {
          if (c < '0' || c > '9' || step.index > 100000000) bad();
          step.index = step.index * 10 + static_cast<size_t>(c - '0');
        }
      }
      path.push_back(step);
      i = close + 1;
      want_key = false;
    } else if (text[i] == '.') {
      if (want_key) bad();
      want_key = true;
      if (++i == text.size()) bad();
    } else {
      if (!want_key) bad();
      PathStep step;
      if (text[i] == '"') {
        const size_t close = text.find('"', i + 1);
        if (close == std::string_view::npos) bad();
        step.key = text.substr(i + 1, close - i - 1);
        i = close + 1;
      } else {
        const size_t end = std::min(text.find_first_of(".[", i), text.size());
        step.key = text.substr(i, end - i);
        i = end;
      }
      path.push_back(std::move(step));
      want_key = false;
    }
  }
  if (path.empty()) bad();
  return path;
}

namespace {
bool visit(const json::value& v, const PayloadPath& path, size_t at, const std::function<bool(const json::value&)>& f) {
  if (at == path.size()) return f(v);
  const PathStep& step = path[at];
  switch (step.kind) {
    case PathStep::Kind::kKey: {
      const json::object* o = v.if_object();
      if (o == nullptr) return true;
      const json::value* child = o->if_contains(step.key);
      return child == nullptr || visit(*child, path, at + 1, f);
    }
    case PathStep::Kind::kIndex: {
      const json::array* a = v.if_array();
      return a == nullptr || step.index >= a->size() || visit((*a)[step.index], path, at + 1, f);
    }
    case PathStep::Kind::kAll: {
      const json::array* a = v.if_array();
      if (a == nullptr) return true;
      for (const json::value& item : *a) {
        if (!visit(item, path, at + 1, f)) return false;
      }
      return true;
    }
  }
  return true;
}

// A null takes the member away.
void merge(json::object& into, const json::object& patch) {
  for (const auto& [key, value] : patch) {
    if (value.is_null()) {
      if (auto it = into.find(key); it != into.end()) into.stable_erase(it);
    } else {
      into[key] = value;
    }
  }
}

void set_at(json::value& v, const PayloadPath& path, size_t at, const json::object& patch) {
  if (at == path.size()) {
    if (!v.is_object()) v.emplace_object();
    merge(v.get_object(), patch);
    return;
  }
  const PathStep& step = path[at];
  if (step.kind == PathStep::Kind::kKey) {
    if (!v.is_object()) v.emplace_object();
    set_at(v.get_object()[step.key], path, at + 1, patch);
    return;
  }
  if (!v.is_array()) v.emplace_array();
  json::array& a = v.get_array();
  if (step.kind == PathStep::Kind::kAll) {
    for (json::value& item : a) set_at(item, path, at + 1, patch);
  } else if (step.index < a.size()) {
    set_at(a[step.index], path, at + 1, patch);
  }
}

void erase_at(json::value& v, const PayloadPath& path, size_t at) {
  const PathStep& step = path[at];
  const bool last = at + 1 == path.size();
  if (step.kind == PathStep::Kind::kKey) {
    json::object* o = v.if_object();
    if (o == nullptr) return;
    auto it = o->find(step.key);
    if (it == o->end()) return;
    if (last) {
      o->stable_erase(it);
    } else {
      erase_at(it->value(), path, at + 1);
    }
    return;
  }
  json::array* a = v.if_array();
  if (a == nullptr) return;
  if (step.kind == PathStep::Kind::kAll) {
    if (last) {
      a->clear();
    } else {
      for (json::value& item : *a) erase_at(item, path, at + 1);
    }
  } else if (step.index < a->size()) {
    if (last) {
      a->erase(a->begin() + static_cast<ptrdiff_t>(step.index));
    } else {
      erase_at((*a)[step.index], path, at + 1);
    }
  }
}

// Copies what `path` leads to from `from` into `to`, keeping the shape around it.
void copy_at(const json::value& from, json::value& to, const PayloadPath& path, size_t at) {
  if (at == path.size()) {
    to = from;
    return;
  }
  const PathStep& step = path[at];
  if (step.kind == PathStep::Kind::kKey) {
    const json::object* o = from.if_object();
    const json::value* child = o == nullptr ? nullptr : o->if_contains(step.key);
    if (child == nullptr) return;
    if (!to.is_object()) to.emplace_object();
    copy_at(*child, to.get_object()[step.key], path, at + 1);
    return;
  }
  const json::array* a = from.if_array();
  if (a == nullptr) return;
  if (!to.is_array()) to.emplace_array();
  json::array& out = to.get_array();
  if (step.kind == PathStep::Kind::kAll) {
    if (out.size() < a->size()) out.resize(a->size());
    for (size_t i = 0; i < a->size(); ++i) copy_at((*a)[i], out[i], path, at + 1);
  } else if (step.index < a->size()) {
    out.emplace_back(nullptr);
    copy_at((*a)[step.index], out.back(), path, at + 1);
  }
}
}  // namespace

void visit_path(const json::value& root, const PayloadPath& path, const std::function<bool(const json::value&)>& f) {
  visit(root, path, 0, f);
}

void set_payload(json::object& root, const PayloadPath& path, const json::object& patch) {
  if (path.empty()) {
    merge(root, patch);
    return;
  }
  json::value v(std::move(root));
  set_at(v, path, 0, patch);
  root = std::move(v.get_object());
}

void erase_path(json::object& root, const PayloadPath& path) {
  json::value v(std::move(root));
  erase_at(v, path, 0);
  root = std::move(v.get_object());
}

json::object select_paths(const json::object& root, const std::vector<PayloadPath>& include) {
  const json::value from(root);
  json::value to(json::object_kind);
  for (const PayloadPath& path : include) copy_at(from, to, path, 0);
  return std::move(to.get_object());
}

}  // namespace stele::segments::vectors
