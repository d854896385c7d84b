#include <gtest/gtest.h>

#include "base/error.h"
#include "catalog/encode.h"
#include "catalog/state.h"

namespace stele::catalog {
namespace {

std::shared_ptr<Relation> make_relation(Oid oid, std::string name) {
  auto r = std::make_shared<Relation>();
  r->oid = oid;
  r->name = std::move(name);
  Column c;
  c.name = "a";
  c.number = 1;
  c.type = 23;
  c.missing_value = "x";
  r->columns.push_back(c);
  r->sequence = SequenceInfo{};
  r->sequence->min = INT64_MIN;
  r->options["fillfactor"] = "70";
  r->acl = std::vector<AclItem>{{0, 10, 2, 0}};
  return r;
}

TEST(Encode, RoundTrip) {
  auto r = make_relation(20000, "t");
  std::string bytes = encode_object(*r);
  auto back = std::static_pointer_cast<const Relation>(decode_object(ObjectKind::kRelation, bytes));
  EXPECT_EQ(encode_object(*back), bytes);
  EXPECT_EQ(back->name, "t");
  EXPECT_EQ(back->sequence->min, INT64_MIN);
  EXPECT_EQ(back->sequence->max, INT64_MAX);
  EXPECT_EQ(back->columns[0].typmod, -1);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THROW(decode_object(ObjectKind::kRelation, std::string_view(bytes).substr(0, n)), Error);
}

TEST(State, PutFindDropAndOldVersionsStay) {
  StatePtr empty = std::make_shared<StateImpl>();
  auto s = std::make_shared<const StateImpl>();
  for (Oid i = 0; i < 3000; ++i) {
    Delta d{Delta::What::kPut};
    d.object = make_relation(20000 + i, "t" + std::to_string(i));
    s = s->apply(d);
  }
  EXPECT_EQ(s->find(ObjectKind::kRelation, kPublic, "t2999")->oid, 22999u);
  auto before = s;
  Delta renamed{Delta::What::kPut};
  renamed.object = make_relation(20000, "other");
  s = s->apply(renamed);
  EXPECT_EQ(s->find(ObjectKind::kRelation, kPublic, "t0"), nullptr);
  EXPECT_NE(before->find(ObjectKind::kRelation, kPublic, "t0"), nullptr);
  ObjectAddress a{ObjectKind::kRelation, 20001, 0}, b{ObjectKind::kRelation, 20002, 3};
  Delta dep{Delta::What::kAddDependency};
  dep.dependency = {a, b, DependencyKind::kNormal};
  s = s->apply(dep);
  EXPECT_EQ(s->dependents_of({ObjectKind::kRelation, 20002, 0}).size(), 1u);
  EXPECT_EQ(s->dependents_of({ObjectKind::kRelation, 20002, 2}).size(), 0u);
  Delta drop{Delta::What::kDrop};
  drop.address = {ObjectKind::kRelation, 20002, 0};
  s = s->apply(drop);
  EXPECT_EQ(s->dependents_of({ObjectKind::kRelation, 20002, 0}).size(), 0u);
  int count = 0;
  s->for_each(ObjectKind::kRelation, [&](const Ptr<Object>&) { ++count; });
  EXPECT_EQ(count, 2999);
}

}  // namespace
}  // namespace stele::catalog
