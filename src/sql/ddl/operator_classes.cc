// CREATE OPERATOR FAMILY and OPERATOR CLASS, ALTER OPERATOR FAMILY ADD and DROP.
#include "sql/ddl/ddl.h"
#include "types/builtin.h"

namespace stele::sql {

using catalog::Entry;
using catalog::EntryMember;

namespace {
struct Limits { int operators, functions; };
// Strategies and support functions of a method; 0: any number.
Limits limits_of(std::string_view method) {
  if (method == "btree") return {5, 5};
  if (method == "hash") return {1, 3};
  if (method == "gist") return {0, 11};
  if (method == "spgist") return {0, 7};
  if (method == "gin") return {0, 7};
  if (method == "brin") return {0, 15};
  return {0, 0};
}
std::string joined_name(const pg::TypeName* t) {
  std::string out;
  for (const std::string& part : pg::strings(PG_LIST(t, names))) out += (out.empty() ? "" : ".") + part;
  return out.starts_with("pg_catalog.") ? out.substr(11) : out;
}
}  // namespace

std::string Ddl::operator_class(const Node* n) {
  auto superuser_only = [&](const char* what) {
    if (!host.superuser()) fail(ErrorCode::kInsufficientPrivilege, std::string("must be superuser to ") + what);
  };
  auto method_of = [&](const std::string& name) {
    auto am = entry(ObjectKind::kAccessMethod, {{name}, {}});
    return am;
  };
  auto shape = [&](const Entry& am) { return limits_of(am.fact("like").empty() ? am.name : am.fact("like")); };
  auto types_text = [&](Oid l, Oid r) { return view().format_type(l) + (l == r ? "" : "," + view().format_type(r)); };
  // The items of a class or of ALTER ... ADD.
  auto items = [&](const Entry& am, std::span<pg::Node* const> list, Oid type, bool is_class, Oid* storage) {
    std::vector<EntryMember> out;
    const Limits limits = shape(am);
    BindContext b = bind();
    for (const Node* x : list) {
      const pg::CreateOpClassItem* i = x->create_op_class_item;
      EntryMember m;
      m.number = i->number;
      std::vector<Oid> named;
      for (const Node* t : PG_LIST(i, class_args)) named.push_back(type_without_position(t->type_name, b).type);
      if (i->itemtype == 1) {
        m.kind = 'o';
        if (i->number <= 0 || (limits.operators > 0 && i->number > limits.operators))
          fail(ErrorCode::kInvalidObjectDefinition, limits.operators > 0 ? fmt::format("invalid operator number {}, must be between 1 and {}", i->number, limits.operators)
                                                                         : fmt::format("invalid operator number {}, must be between 1 and 32767", i->number));
        if (i->name->n_objargs > 0) {
          m.object = find_operator(i->name, b, false);
        } else {
          if (!is_class) fail(ErrorCode::kSyntaxError, "operator argument types must be specified in ALTER OPERATOR FAMILY");
          const auto name = pg::strings(PG_LIST(i->name, objname));
          Oid schema = name.size() > 1 ? view().schema(name[name.size() - 2]) : 0;
          for (const OperatorRow* o : view().operators(name.back(), schema))
            if (m.object == 0 && o->left == type && o->right == type) m.object = o->oid;
          if (m.object == 0) fail(ErrorCode::kUndefinedFunction, "operator does not exist: " + view().format_type(type) + " " + name.back() + " " + view().format_type(type));
        }
        const OperatorRow* o = view().oper(m.object);
        m.left = o->left;
        m.right = o->right;
        if (named.size() == 2) {
          m.left = named[0];
          m.right = named[1];
        }
        if (o->left == 0) fail(ErrorCode::kInvalidObjectDefinition, "index operators must be binary");
        if (i->n_order_family > 0) {
          const EntryName family{pg::strings(PG_LIST(i, order_family)), "btree"};
          m.extra = entry(ObjectKind::kOpfamily, family)->oid;
          if (am.name != "gist" && am.name != "spgist" && am.fact("like") != "gist") fail(ErrorCode::kInvalidObjectDefinition, "access method \"" + am.name + "\" does not support ordering operators");
        } else if (o->result != oid::kBool) {
          fail(ErrorCode::kInvalidObjectDefinition, "index search operators must return boolean");
        }
      } else if (i->itemtype == 2) {
        m.kind = 'f';
        if (i->number <= 0 || (limits.functions > 0 && i->number > limits.functions))
          fail(ErrorCode::kInvalidObjectDefinition, fmt::format("invalid function number {}, must be between 1 and {}", i->number, limits.functions > 0 ? limits.functions : 32767));
        m.object = find_function(i->name, 'f', b, false);
        const ProcRow* p = view().proc(m.object);
        if (named.size() == 1) m.left = m.right = named[0];
        if (named.size() == 2) {
          m.left = named[0];
          m.right = named[1];
        }
        const std::string like = am.fact("like").empty() ? am.name : am.fact("like");
        if (like == "btree") {
          if (i->number == 1) {
            if (p->args.size() != 2) fail(ErrorCode::kInvalidObjectDefinition, "btree comparison functions must have two arguments");
            if (p->result != oid::kInt4) fail(ErrorCode::kInvalidObjectDefinition, "btree comparison functions must return integer");
            if (m.left == 0) m.left = p->args[0];
            if (m.right == 0) m.right = p->args[1];
          } else if (i->number == 2) {
            if (p->args.size() != 1 || p->args[0] != oid::kInternal) fail(ErrorCode::kInvalidObjectDefinition, "btree sort support functions must accept type \"internal\"");
            if (p->result != oid::kVoid) fail(ErrorCode::kInvalidObjectDefinition, "btree sort support functions must return void");
          } else if (i->number == 3) {
            if (p->args.size() != 5) fail(ErrorCode::kInvalidObjectDefinition, "btree in_range functions must have five arguments");
            if (p->result != oid::kBool) fail(ErrorCode::kInvalidObjectDefinition, "btree in_range functions must return boolean");
            if (m.left == 0) m.left = p->args[0];
            if (m.right == 0) m.right = p->args[2];
          } else if (i->number == 4) {
            if (p->args.size() != 1 || p->args[0] != oid::kOid) fail(ErrorCode::kInvalidObjectDefinition, "btree equal image functions must have one argument");
            if (p->result != oid::kBool) fail(ErrorCode::kInvalidObjectDefinition, "btree equal image functions must return boolean");
            if (m.left != m.right) fail(ErrorCode::kInvalidObjectDefinition, "btree equal image functions must not be cross-type");
          }
        } else if (like == "hash") {
          if (i->number == 1) {
            if (p->args.size() != 1) fail(ErrorCode::kInvalidObjectDefinition, "hash function 1 must have one argument");
            if (p->result != oid::kInt4) fail(ErrorCode::kInvalidObjectDefinition, "hash function 1 must return integer");
          } else if (i->number == 2) {
            if (p->args.size() != 2) fail(ErrorCode::kInvalidObjectDefinition, "hash function 2 must have two arguments");
            if (p->result != oid::kInt8) fail(ErrorCode::kInvalidObjectDefinition, "hash function 2 must return bigint");
          }
          if (m.left == 0 && !p->args.empty()) m.left = m.right = p->args[0];
        }
        if (is_class) {
          if (m.left == 0) m.left = type;
          if (m.right == 0) m.right = type;
        } else if (m.left == 0 || m.right == 0) {
          fail(ErrorCode::kInvalidObjectDefinition, "associated data types must be specified for index support function");
        }
      } else {
        if (*storage != 0) fail(ErrorCode::kInvalidObjectDefinition, "storage type specified more than once");
        *storage = type_without_position(i->storedtype, b).type;
        continue;
      }
      for (const EntryMember& have : out)
        if (have.kind == m.kind && have.number == m.number && have.left == m.left && have.right == m.right)
          fail(ErrorCode::kInvalidObjectDefinition, m.kind == 'o' ? fmt::format("operator number {} for ({},{}) appears more than once", m.number, view().format_type(m.left), view().format_type(m.right))
                                                                  : fmt::format("function number {} for ({},{}) appears more than once", m.number, view().format_type(m.left), view().format_type(m.right)));
      m.oid = catalog().allocate_oid();
      out.push_back(m);
    }
    return out;
  };
  auto depend_on = [&](ObjectAddress self, const std::vector<EntryMember>& members) {
    for (const EntryMember& m : members) depend(self, {m.kind == 'o' ? ObjectKind::kOperator : ObjectKind::kFunction, m.object, 0});
  };
  auto name_of = [](std::span<pg::Node* const> list, const char* method) { return EntryName{pg::strings(list), method}; };
  switch (n->node_case) {
    case pg::kCreateOpFamilyStmt: {
      const pg::CreateOpFamilyStmt* s = n->create_op_family_stmt;
      creation_target(pg::strings(PG_LIST(s, opfamilyname)));
      method_of(s->amname);
      superuser_only("create an operator family");
      put_entry(new_entry(ObjectKind::kOpfamily, name_of(PG_LIST(s, opfamilyname), s->amname)));
      return "CREATE OPERATOR FAMILY";
    }
    case pg::kCreateOpClassStmt: {
      const pg::CreateOpClassStmt* s = n->create_op_class_stmt;
      const EntryName name = name_of(PG_LIST(s, opclassname), s->amname);
      creation_target(name.parts);
      auto am = method_of(s->amname);
      superuser_only("create an operator class");
      BindContext b = bind();
      const Oid type = type_without_position(s->datatype, b).type;
      // The family is one that is there, or one of the class's own name.
      std::shared_ptr<Entry> family;
      Oid family_oid = 0;
      bool made_family = false;
      if (s->n_opfamilyname > 0) {
        auto found = entry(ObjectKind::kOpfamily, name_of(PG_LIST(s, opfamilyname), s->amname));
        family_oid = found->oid;
        if (found->oid >= oid::kFirstUserOid) family = std::make_shared<Entry>(*found);
      } else {
        auto found = std::static_pointer_cast<const Entry>(state()->find(ObjectKind::kOpfamily, creation_target(name.parts).schema, name.parts.back() + '\0' + name.method));
        if (found != nullptr) family = std::make_shared<Entry>(*found);
        else {
          family = new_entry(ObjectKind::kOpfamily, name);
          made_family = true;
        }
        family_oid = family->oid;
      }
      Oid storage = 0;
      auto members = items(*am, PG_LIST(s, items), type, true, &storage);
      if (storage != 0 && storage != type) {
        const std::string like = am->fact("like").empty() ? am->name : am->fact("like");
        if (like != "gist" && like != "gin" && like != "brin" && like != "spgist") fail(ErrorCode::kInvalidObjectDefinition, "storage type cannot be different from data type for access method \"" + am->name + "\"");
      } else {
        storage = 0;
      }
      auto e = new_entry(ObjectKind::kOpclass, name);
      if (s->is_default) {
        std::string other;
        if (const Oid have = view().default_opclass_exact(type, am->oid); have != 0) {
          if (const OpclassRow* row = view().opclass(have)) other = row->name;
        }
        if (!other.empty())
          fail(ErrorCode::kDuplicateObject, "could not make operator class \"" + e->name + "\" be default for type " + joined_name(s->datatype), -1, "Operator class \"" + other + "\" already is the default.");
      }
      e->refs = {family_oid, type, storage, am->oid};
      e->facts["default"] = s->is_default ? "t" : "f";
      e->members = members;
      if (family != nullptr) put_entry(family);
      put_entry(e);
      const ObjectAddress self{ObjectKind::kOpclass, e->oid, 0};
      if (made_family) changes().add_dependency({{ObjectKind::kOpclass, e->oid, 0}, {ObjectKind::kOpfamily, family_oid, 0}, DependencyKind::kAuto});
      else depend(self, {ObjectKind::kOpfamily, family_oid, 0}, DependencyKind::kAuto);
      depend(self, {ObjectKind::kType, type, 0});
      depend(self, {ObjectKind::kAccessMethod, am->oid, 0}, DependencyKind::kAuto);
      if (made_family) depend({ObjectKind::kOpfamily, family_oid, 0}, {ObjectKind::kAccessMethod, am->oid, 0}, DependencyKind::kAuto);
      depend_on(self, members);
      return "CREATE OPERATOR CLASS";
    }
    default: {
      const pg::AlterOpFamilyStmt* s = n->alter_op_family_stmt;
      auto am = method_of(s->amname);
      auto found = entry(ObjectKind::kOpfamily, name_of(PG_LIST(s, opfamilyname), s->amname));
      superuser_only("alter an operator family");
      auto m = std::make_shared<Entry>(*found);
      const ObjectAddress self{ObjectKind::kOpfamily, m->oid, 0};
      if (s->is_drop) {
        BindContext b = bind();
        for (const Node* x : PG_LIST(s, items)) {
          const pg::CreateOpClassItem* i = x->create_op_class_item;
          std::vector<Oid> named;
          for (const Node* t : PG_LIST(i, class_args)) named.push_back(type_without_position(t->type_name, b).type);
          if (named.empty()) fail(ErrorCode::kSyntaxError, "one or two argument types must be specified");
          const Oid l = named[0], r = named.size() > 1 ? named[1] : named[0];
          const char kind = i->itemtype == 1 ? 'o' : 'f';
          const Limits limits = shape(*am);
          const int most = kind == 'o' ? limits.operators : limits.functions;
          if (i->number <= 0 || (most > 0 && i->number > most))
            fail(ErrorCode::kInvalidObjectDefinition, fmt::format("invalid {} number {}, must be between 1 and {}", kind == 'o' ? "operator" : "function", i->number, most > 0 ? most : 32767));
          const size_t before = m->members.size();
          std::erase_if(m->members, [&](const EntryMember& x2) { return x2.kind == kind && x2.number == i->number && x2.left == l && x2.right == r; });
          if (m->members.size() == before)
            fail(ErrorCode::kUndefinedObject, fmt::format("{} {}({},{}) does not exist in operator family \"{}\"", kind == 'o' ? "operator" : "function", i->number, view().format_type(l), view().format_type(r), m->name));
        }
      } else {
        Oid storage = 0;
        for (const Node* x : PG_LIST(s, items))
          if (x->create_op_class_item->itemtype == 3) fail(ErrorCode::kSyntaxError, "STORAGE cannot be specified in ALTER OPERATOR FAMILY");
        for (const EntryMember& x : items(*am, PG_LIST(s, items), 0, false, &storage)) {
          for (const EntryMember& have : m->members)
            if (have.kind == x.kind && have.number == x.number && have.left == x.left && have.right == x.right)
              fail(ErrorCode::kDuplicateObject, fmt::format("{} {}({},{}) already exists in operator family \"{}\"", x.kind == 'o' ? "operator" : "function", x.number, view().format_type(x.left), view().format_type(x.right), m->name));
          m->members.push_back(x);
        }
        depend_on(self, m->members);
      }
      if (m->oid >= oid::kFirstUserOid) put(m);
      return "ALTER OPERATOR FAMILY";
    }
  }
  (void)types_text;
}

}  // namespace stele::sql
