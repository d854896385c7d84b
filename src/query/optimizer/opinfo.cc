// What the planner knows of operators: families, commutators, hashability. Built-in ones are data.
#include "query/optimizer/planner.h"
#include "types/builtin.h"
#include "types/oids.h"

namespace stele::query {

namespace {
struct OpTable {
  std::unordered_map<Oid, std::vector<BtreeOp>> by_op;
  std::map<std::tuple<Oid, Oid, Oid, int>, Oid> by_place;
  std::unordered_map<Oid, Oid> class_family;
  std::unordered_map<Oid, Oid> default_family;   // type -> btree family
  OpTable() {
    auto num = [](const std::string& s) { return static_cast<Oid>(std::stoul(s)); };
    for (auto& r : builtin::rows("pg_amop")) {
      if (r[7] != "403" || r[5] != "s") continue;
      BtreeOp o{num(r[1]), static_cast<int>(num(r[4])), num(r[2]), num(r[3])};
      by_op[num(r[6])].push_back(o);
      by_place[{o.family, o.left, o.right, o.strategy}] = num(r[6]);
    }
    for (auto& r : builtin::rows("pg_opclass")) {
      class_family[num(r[0])] = num(r[3]);
      if (r[2] == "403" && r[5] == "t") default_family[num(r[4])] = num(r[3]);
    }
  }
};
const OpTable& table() {
  static const OpTable* t = new OpTable;
  return *t;
}
}  // namespace

std::vector<BtreeOp> btree_ops(Oid op, const catalog::State&) {
  auto it = table().by_op.find(op);
  return it == table().by_op.end() ? std::vector<BtreeOp>{} : it->second;
}
Oid family_operator(Oid family, Oid left, Oid right, int strategy) {
  auto it = table().by_place.find({family, left, right, strategy});
  return it == table().by_place.end() ? 0 : it->second;
}
Oid opclass_family(Oid opclass) {
  auto it = table().class_family.find(opclass);
  return it == table().class_family.end() ? 0 : it->second;
}

namespace {
std::shared_ptr<const catalog::Operator> user_op(Oid op, const catalog::State& s) { return s.get_as<catalog::Operator>(catalog::ObjectKind::kOperator, op); }
}  // namespace
bool op_hashable(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->can_hash;
  auto u = user_op(op, s);
  return u && u->can_hash;
}
bool op_mergeable(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->can_merge;
  auto u = user_op(op, s);
  return u && u->can_merge;
}
Oid op_commutator(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->commutator;
  auto u = user_op(op, s);
  return u ? u->commutator : 0;
}
Oid op_negator(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->negator;
  auto u = user_op(op, s);
  return u ? u->negator : 0;
}
Oid op_func(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->proc;
  auto u = user_op(op, s);
  return u ? u->proc : 0;
}
std::string op_name(Oid op, const catalog::State& s) {
  if (auto* b = builtin::op(op)) return b->name;
  auto u = user_op(op, s);
  return u ? u->name : "";
}
Oid default_equality(Oid type, ExecContext& ctx) {
  TypeInfo t = type_info(type, ctx);
  Oid key = t.base;
  if (t.kind == 'e') key = oid::kAnyEnum;
  else if (t.element != 0) key = oid::kAnyArray;
  else if (t.kind == 'c') key = oid::kRecord;
  else if (t.kind == 'r') key = oid::kAnyRange;
  else if (t.kind == 'm') key = oid::kAnyMultirange;
  if (key == oid::kVarchar) key = oid::kText;
  auto it = table().default_family.find(key);
  if (it == table().default_family.end()) return 0;
  return family_operator(it->second, key, key, 3);
}

}  // namespace stele::query
