// Inner to this folder: the syntax tree.
#pragma once

#include "segments/script/error.h"
#include "segments/script/script.h"

namespace stele::segments::script {

enum class Op : uint8_t {
  // expressions
  kLiteral, kName, kMember, kSafeMember, kIndex, kCall, kMethod, kSafeMethod, kNew, kListOf, kMapOf, kLambda, kUnary, kBinary, kAnd, kOr,
  kConditional, kElvis, kAssign, kIncrement, kCast, kInstanceOf, kMethodRef,
  // statements
  kBlock, kDeclare, kExpression, kIf, kWhile, kDoWhile, kFor, kForEach, kReturn, kBreak, kContinue, kThrow, kTry, kNothing,
};
struct Node {
  Op op;
  size_t at = 0;              // offset in the source
  std::string text;           // a name, an operator, a type
  std::vector<std::string> names;  // parameters
  Value literal;
  std::vector<std::unique_ptr<Node>> kids;
  bool flag = false;          // kIncrement: prefix; kDeclare: has a value
};
using NodePtr = std::unique_ptr<Node>;

struct Procedure { std::vector<std::string> parameters; NodePtr body; };
struct Program {
  std::map<std::string, Procedure> functions;
  NodePtr body;
};
std::unique_ptr<Program> parse_program(std::string_view source);

// A lambda or method reference with what it has captured.
struct Function { std::function<Value(List&)> call; };

Value call_method(Value& target, const std::string& name, List& args);        // throws
Value read_member(const Value& target, const std::string& name);              // throws
bool call_static(const std::string& type, const std::string& name, List& args, Value* out);
bool static_member(const std::string& type, const std::string& name, Value* out);
Value make_object(const std::string& type, List& args);
Value invoke(const Value& function, List args);
Value convert(const Value& v, const std::string& type);

}  // namespace stele::segments::script
