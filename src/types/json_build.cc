// Making and changing json and jsonb: construction from values, edits, aggregates.
#include "base/error.h"
#include "types/array.h"
#include "types/function_helpers.h"
#include "types/jsonb.h"
#include "types/oids.h"
#include "types/type_io.h"

namespace stele {

namespace {

[[noreturn]] void invalid(std::string message) { throw Error(ErrorCode::kInvalidParameterValue, std::move(message)); }

struct Argument {
  Oid type;
  NullableDatum value;
};
// False when VARIADIC NULL was passed.
bool gather(FnCall& c, std::vector<Argument>* out) {
  if (c.variadic_array) {
    if (c.is_null(0)) return false;
    ArrayView a(c.arg(0));
    for (int i = 0; i < a.count(); ++i) out->push_back({a.element(), a.at(i)});
    return true;
  }
  for (int i = 0; i < c.nargs; ++i) out->push_back({c.arg_types[i] == oid::kUnknown ? oid::kText : c.arg_types[i], {c.arg(i), c.is_null(i)}});
  return true;
}

// A key as json shows it: quoted text.
void put_key(const Argument& a, std::string& out, FnCall& c) {
  JsonNode n = value_to_json_node(a.type, a.value, *c.arena, *c.context, true);
  put_json_string(n.text, out);
}

Datum json_build_array(FnCall& c) {
  std::vector<Argument> args;
  if (!gather(c, &args)) return c.null();
  std::string out = "[";
  for (size_t i = 0; i < args.size(); ++i) {
    if (i > 0) out += ", ";
    value_to_json(args[i].type, args[i].value, out, *c.context);
  }
  return c.text(out + "]");
}
Datum jsonb_build_array(FnCall& c) {
  std::vector<Argument> args;
  if (!gather(c, &args)) return c.null();
  JsonNode n = JsonNode::array();
  for (const Argument& a : args) n.add(value_to_json_node(a.type, a.value, *c.arena, *c.context));
  return make_jsonb(n, *c.arena, *c.context);
}
void check_even(const std::vector<Argument>& args, const char* name) {
  if (args.size() % 2 == 0) return;
  throw Error(ErrorCode::kInvalidParameterValue, "argument list must have even number of elements")
      .hint(fmt::format("The arguments of {}() must consist of alternating keys and values.", name));
}
Datum json_build_object(FnCall& c) {
  std::vector<Argument> args;
  if (!gather(c, &args)) return c.null();
  check_even(args, "json_build_object");
  std::string out = "{";
  for (size_t i = 0; i < args.size(); i += 2) {
    if (i > 0) out += ", ";
    if (args[i].value.is_null)
      throw Error(ErrorCode::kInvalidParameterValue, fmt::format("argument {} cannot be null", i + 1)).hint("Object keys should be text.");
    put_key(args[i], out, c);
    out += " : ";
    value_to_json(args[i + 1].type, args[i + 1].value, out, *c.context);
  }
  return c.text(out + "}");
}
Datum jsonb_build_object(FnCall& c) {
  std::vector<Argument> args;
  if (!gather(c, &args)) return c.null();
  check_even(args, "jsonb_build_object");
  JsonNode n = JsonNode::object();
  for (size_t i = 0; i < args.size(); i += 2) {
    if (args[i].value.is_null) invalid(fmt::format("argument {}: key must not be null", i + 1));
    n.add(value_to_json_node(args[i].type, args[i].value, *c.arena, *c.context, true).text,
          value_to_json_node(args[i + 1].type, args[i + 1].value, *c.arena, *c.context));
  }
  return make_jsonb(n, *c.arena, *c.context);
}

// ---- json_object(text[]) and json_object(text[], text[])
Error subscripts(const char* m) { return Error(ErrorCode::kArraySubscriptError, m); }
void object_pairs(FnCall& c, std::vector<std::pair<std::string_view, NullableDatum>>* out) {
  ArrayView keys(c.arg(0));
  auto key = [&](int i) {
    if (keys.is_null(i)) throw Error(ErrorCode::kNullValueNotAllowed, "null value not allowed for object key");
    return keys.get(i).as_view();
  };
  if (c.nargs == 2) {
    ArrayView values(c.arg(1));
    if (keys.ndim() > 1 || keys.ndim() != values.ndim()) throw subscripts("wrong number of array subscripts");
    if (keys.count() != values.count()) throw subscripts("mismatched array dimensions");
    for (int i = 0; i < keys.count(); ++i) out->emplace_back(key(i), values.at(i));
    return;
  }
  if (keys.ndim() == 0) return;
  if (keys.ndim() == 1 && keys.length(0) % 2 != 0) throw subscripts("array must have even number of elements");
  if (keys.ndim() == 2 && keys.length(1) != 2) throw subscripts("array must have two columns");
  if (keys.ndim() > 2) throw subscripts("wrong number of array subscripts");
  for (int i = 0; i + 1 < keys.count(); i += 2) out->emplace_back(key(i), keys.at(i + 1));
}
Datum json_object(FnCall& c) {
  std::vector<std::pair<std::string_view, NullableDatum>> pairs;
  object_pairs(c, &pairs);
  std::string out = "{";
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0) out += ", ";
    put_json_string(pairs[i].first, out);
    out += " : ";
    if (pairs[i].second.is_null) out += "null";
    else put_json_string(pairs[i].second.value.as_view(), out);
  }
  return c.text(out + "}");
}
Datum jsonb_object(FnCall& c) {
  std::vector<std::pair<std::string_view, NullableDatum>> pairs;
  object_pairs(c, &pairs);
  JsonNode n = JsonNode::object();
  for (auto& [k, v] : pairs) n.add(k, v.is_null ? JsonNode::null() : JsonNode::string(v.value.as_view()));
  return make_jsonb(n, *c.arena, *c.context);
}

// ---- strip nulls
void strip_text(const JsonNode& n, std::string& out) {
  if (n.type == JsonType::kObject) {
    out.push_back('{');
    bool first = true;
    for (size_t i = 0; i < n.items.size(); ++i) {
      if (n.items[i].type == JsonType::kNull) continue;
      if (!first) out.push_back(',');
      first = false;
      put_json_string(n.keys[i], out);
      out.push_back(':');
      strip_text(n.items[i], out);
    }
    out.push_back('}');
  } else if (n.type == JsonType::kArray) {
    out.push_back('[');
    for (size_t i = 0; i < n.items.size(); ++i) {
      if (i > 0) out.push_back(',');
      strip_text(n.items[i], out);
    }
    out.push_back(']');
  } else if (n.type == JsonType::kString) {
    put_json_string(n.text, out);
  } else {
    out.append(n.raw);
  }
}
JsonNode strip(JsonNode n) {
  if (!is_json_container(n.type)) return n;
  n.unfold();
  JsonNode r;
  r.type = n.type;
  for (size_t i = 0; i < n.items.size(); ++i) {
    if (n.type == JsonType::kObject) {
      if (n.items[i].type == JsonType::kNull) continue;
      r.keys.push_back(n.keys[i]);
    }
    r.items.push_back(strip(std::move(n.items[i])));
  }
  return r;
}

// ---- jsonb edits
JsonNode root_of(FnCall& c, int i) { return JsonNode::of(JsonbView(c.arg(i)).root()); }
Datum finish(const JsonNode& n, FnCall& c) { return make_jsonb(n, *c.arena, *c.context); }

Datum concat(FnCall& c) {
  JsonbView av(c.arg(0)), bv(c.arg(1));
  // An empty side leaves the other alone, where both are of one kind.
  if (av.is_object() == bv.is_object()) {
    if (av.size() == 0 && !bv.is_scalar()) return c.arg(1);
    if (bv.size() == 0 && !av.is_scalar()) return c.arg(0);
  }
  JsonNode a = root_of(c, 0), b = root_of(c, 1);
  if (a.type == JsonType::kObject && b.type == JsonType::kObject) {
    a.unfold();
    b.unfold();
    for (size_t i = 0; i < b.items.size(); ++i) a.add(b.keys[i], std::move(b.items[i]));
    return finish(a, c);
  }
  JsonNode r = JsonNode::array();
  for (JsonNode* n : {&a, &b}) {
    if (n->type == JsonType::kArray) {
      n->unfold();
      for (JsonNode& item : n->items) r.add(std::move(item));
    } else {
      r.add(std::move(*n));
    }
  }
  return finish(r, c);
}
void remove_key(JsonNode* n, std::string_view key) {
  for (size_t i = n->items.size(); i-- > 0;) {
    bool hit = n->type == JsonType::kObject ? n->keys[i] == key : n->items[i].type == JsonType::kString && n->items[i].text == key;
    if (!hit) continue;
    n->items.erase(n->items.begin() + static_cast<ptrdiff_t>(i));
    if (n->type == JsonType::kObject) n->keys.erase(n->keys.begin() + static_cast<ptrdiff_t>(i));
  }
}
Datum delete_key(FnCall& c) {
  JsonNode n = root_of(c, 0);
  if (!is_json_container(n.type)) invalid("cannot delete from scalar");
  n.unfold();
  remove_key(&n, c.text_arg(1));
  return finish(n, c);
}
Datum delete_keys(FnCall& c) {
  ArrayView keys(c.arg(1));
  if (keys.ndim() > 1) throw subscripts("wrong number of array subscripts");
  JsonNode n = root_of(c, 0);
  if (!is_json_container(n.type)) invalid("cannot delete from scalar");
  n.unfold();
  for (int i = 0; i < keys.count(); ++i)
    if (!keys.is_null(i)) remove_key(&n, keys.get(i).as_view());
  return finish(n, c);
}
Datum delete_index(FnCall& c) {
  JsonNode n = root_of(c, 0);
  if (!is_json_container(n.type)) invalid("cannot delete from scalar");
  if (n.type == JsonType::kObject) invalid("cannot delete from object using integer index");
  n.unfold();
  int64_t i = c.int_arg(1), size = static_cast<int64_t>(n.items.size());
  if (i < 0) i += size;
  if (i < 0 || i >= size) return c.arg(0);
  n.items.erase(n.items.begin() + i);
  return finish(n, c);
}
struct Path {
  std::vector<std::string> texts;
  std::vector<const std::string*> steps;
};
void read_path(FnCall& c, int arg, Path* p) {
  ArrayView a(c.arg(arg));
  if (a.ndim() > 1) throw subscripts("wrong number of array subscripts");
  p->texts.reserve(static_cast<size_t>(a.count()));
  for (int i = 0; i < a.count(); ++i) {
    p->texts.emplace_back(a.is_null(i) ? std::string() : std::string(a.get(i).as_view()));
    p->steps.push_back(a.is_null(i) ? nullptr : &p->texts.back());
  }
}
Datum edit(FnCall& c, const JsonNode* value, int how, const char* scalar_message) {
  Path p;
  read_path(c, 1, &p);
  JsonbView v(c.arg(0));
  if (v.is_scalar()) invalid(scalar_message);
  if ((v.size() == 0 && (how & (kJsonCreate | kJsonInsertBefore | kJsonInsertAfter)) == 0) || p.steps.empty()) return c.arg(0);
  return finish(edit_json(root_of(c, 0), p.steps, 0, value, how), c);
}
Datum set(FnCall& c, bool create) {
  JsonNode value = root_of(c, 2);
  return edit(c, &value, create ? kJsonCreate : kJsonReplace, "cannot set path in scalar");
}
Datum set_lax(FnCall& c) {
  if (c.is_null(0) || c.is_null(1) || c.is_null(3)) return c.null();
  auto treatments = "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"";
  if (c.is_null(4)) invalid(treatments);
  bool create = c.arg(3).as_bool();
  if (!c.is_null(2)) return set(c, create);
  std::string_view how = c.text_arg(4);
  if (how == "raise_exception")
    throw Error(ErrorCode::kNullValueNotAllowed, "JSON value must not be null")
        .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
        .hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.");
  if (how == "use_json_null") {
    JsonNode null;
    return edit(c, &null, create ? kJsonCreate : kJsonReplace, "cannot set path in scalar");
  }
  if (how == "delete_key") return edit(c, nullptr, kJsonDelete, "cannot delete path in scalar");
  if (how == "return_target") return c.arg(0);
  invalid(treatments);
}

// ---- aggregates
class JsonAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    Oid type = c.arg_types[0] == oid::kUnknown ? oid::kText : c.arg_types[0];
    if (out_.empty()) {
      out_ = "[";
    } else {
      out_ += ", ";
    }
    size_t before = out_.size();
    value_to_json(type, {c.arg(0), c.is_null(0)}, out_, *c.context);
    // Rows and arrays start on lines of their own.
    if (!c.is_null(0) && before > 1 && (out_[before] == '{' || out_[before] == '[') && type != oid::kJson && type != oid::kJsonb)
      out_.insert(before, "\n ");
  }
  Datum finish(FnCall& c) override { return out_.empty() ? c.null() : c.text(out_ + "]"); }
  size_t bytes() const override { return 64 + out_.capacity(); }

 private:
  std::string out_;
};
class JsonObjectAgg : public AggregateState {
 public:
  void add(FnCall& c) override {
    if (c.is_null(0)) invalid("field name must not be null");
    out_ += out_.empty() ? "{ " : ", ";
    put_key({c.arg_types[0] == oid::kUnknown ? oid::kText : c.arg_types[0], {c.arg(0), false}}, out_, c);
    out_ += " : ";
    value_to_json(c.arg_types[1] == oid::kUnknown ? oid::kText : c.arg_types[1], {c.arg(1), c.is_null(1)}, out_, *c.context);
  }
  Datum finish(FnCall& c) override { return out_.empty() ? c.null() : c.text(out_ + " }"); }
  size_t bytes() const override { return 64 + out_.capacity(); }

 private:
  std::string out_;
};
template <bool Object>
class JsonbAgg : public AggregateState {
 public:
  JsonbAgg() { root_.type = Object ? JsonType::kObject : JsonType::kArray; }
  void add(FnCall& c) override {
    any_ = true;
    auto type = [&](int i) { return c.arg_types[i] == oid::kUnknown ? oid::kText : c.arg_types[i]; };
    int value = Object ? 1 : 0;
    std::string_view key;
    if (Object) {
      if (c.is_null(0)) invalid("field name must not be null");
      key = arena_.copy(value_to_json_node(type(0), {c.arg(0), false}, *c.arena, *c.context, true).text);
    }
    JsonNode n;
    if (!c.is_null(value)) {
      // Containers are kept in stored form, scalars as small nodes, all in our own memory.
      n = value_to_json_node(type(value), {c.arg(value), false}, *c.arena, *c.context);
      Datum d = make_jsonb(n, arena_, *c.context);
      n = JsonNode::of(JsonbView(d).root());
    }
    if (Object) root_.add(key, std::move(n));
    else root_.add(std::move(n));
  }
  Datum finish(FnCall& c) override { return any_ ? make_jsonb(root_, *c.arena, *c.context) : c.null(); }
  size_t bytes() const override { return 64 + arena_.bytes() + root_.items.capacity() * sizeof(JsonNode); }

 private:
  Arena arena_;
  JsonNode root_;
  bool any_ = false;
};
template <typename T>
std::unique_ptr<AggregateState> make(FnCall&) { return std::make_unique<T>(); }

Oid known(Oid t) { return t == oid::kUnknown ? oid::kText : t; }

}  // namespace

void register_json_build_functions(FunctionRegistry& r) {
  r.add("json_build_array", json_build_array);
  r.add("json_build_array_noargs", [](FnCall& c) { return c.text("[]"); });
  r.add("json_build_object", json_build_object);
  r.add("json_build_object_noargs", [](FnCall& c) { return c.text("{}"); });
  r.add("jsonb_build_array", jsonb_build_array);
  r.add("jsonb_build_array_noargs", [](FnCall& c) { return make_jsonb(JsonNode::array(), *c.arena, *c.context); });
  r.add("jsonb_build_object", jsonb_build_object);
  r.add("jsonb_build_object_noargs", [](FnCall& c) { return make_jsonb(JsonNode::object(), *c.arena, *c.context); });
  for (const char* n : {"json_object", "json_object_two_arg"}) r.add(n, json_object);
  for (const char* n : {"jsonb_object", "jsonb_object_two_arg"}) r.add(n, jsonb_object);
  r.add("json_strip_nulls", [](FnCall& c) {
    std::string out;
    strip_text(parse_json(c.text_arg(0), *c.arena), out);
    return c.text(out);
  });
  r.add("jsonb_strip_nulls", [](FnCall& c) { return finish(strip(root_of(c, 0)), c); });
  auto as_text = [](FnCall& c) {
    std::string out;
    value_to_json(known(c.arg_types[0]), {c.arg(0), false}, out, *c.context, c.nargs > 1 && c.arg(1).as_bool());
    return c.text(out);
  };
  for (const char* n : {"to_json", "row_to_json", "row_to_json_pretty", "array_to_json", "array_to_json_pretty"}) r.add(n, as_text);
  r.add("to_jsonb", [](FnCall& c) {
    return finish(value_to_json_node(known(c.arg_types[0]), {c.arg(0), false}, *c.arena, *c.context), c);
  });
  r.add("jsonb_pretty", [](FnCall& c) {
    std::string out;
    jsonb_pretty(JsonbView(c.arg(0)).root(), 0, out, *c.context);
    return c.text(out);
  });
  r.add("jsonb_concat", concat);
  r.add("jsonb_delete", delete_key);
  r.add("jsonb_delete_array", delete_keys);
  r.add("jsonb_delete_idx", delete_index);
  r.add("jsonb_delete_path", [](FnCall& c) { return edit(c, nullptr, kJsonDelete, "cannot delete path in scalar"); });
  r.add("jsonb_set", [](FnCall& c) { return set(c, c.arg(3).as_bool()); });
  r.add("jsonb_set_lax", set_lax);
  r.add("jsonb_insert", [](FnCall& c) {
    JsonNode value = root_of(c, 2);
    return edit(c, &value, c.arg(3).as_bool() ? kJsonInsertAfter : kJsonInsertBefore, "cannot set path in scalar");
  });
  r.add_aggregate("json_agg/any", make<JsonAgg>);
  r.add_aggregate("json_agg/anyelement", make<JsonAgg>);
  r.add_aggregate("jsonb_agg/any", make<JsonbAgg<false>>);
  r.add_aggregate("jsonb_agg/anyelement", make<JsonbAgg<false>>);
  r.add_aggregate("json_object_agg/any,any", make<JsonObjectAgg>);
  r.add_aggregate("jsonb_object_agg/any,any", make<JsonbAgg<true>>);
}

}  // namespace stele
