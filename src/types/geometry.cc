// The geometric types. Payloads are doubles: point x y; lseg two points; box high and low corner;
// line A B C; circle x y radius; path and polygon a double that says closed (1) or open (0), then
// their points. Comparisons allow PostgreSQL's fixed tolerance.
#include "base/codec.h"
#include "base/error.h"
#include "types/composite_io.h"
#include "types/function.h"
#include "types/oids.h"
#include "types/scalar_io.h"
#include "types/type_registry.h"

namespace stele {
namespace {

constexpr Oid kLseg = 601, kPath = 602, kBox = 603, kPolygon = 604, kLine = 628, kCircle = 718;
constexpr double kEpsilon = 1.0e-06;
bool zero(double a) { return std::fabs(a) <= kEpsilon; }
bool eq(double a, double b) { return a == b || std::fabs(a - b) <= kEpsilon || (std::isnan(a) && std::isnan(b)); }
// As a comparison of coordinates has it: NaN is near nothing.
bool near(double a, double b) { return a == b || std::fabs(a - b) <= kEpsilon; }
bool lt(double a, double b) { return b - a > kEpsilon; }
bool le(double a, double b) { return a - b <= kEpsilon; }
bool gt(double a, double b) { return a - b > kEpsilon; }
bool ge(double a, double b) { return b - a <= kEpsilon; }

struct Point { double x = 0, y = 0; };
struct Lseg { Point a, b; };
struct Box { Point high, low; };
struct Line { double a = 0, b = 0, c = 0; };
struct Circle { Point center; double radius = 0; };
struct Path { bool closed = true; std::vector<Point> p; };

// Without overflow, and rounded as PostgreSQL rounds it.
double hypotenuse(double x, double y) {
  if (std::isinf(x) || std::isinf(y)) return std::numeric_limits<double>::infinity();
  x = std::fabs(x);
  y = std::fabs(y);
  if (x < y) std::swap(x, y);
  if (y == 0) return x;
  double ratio = y / x;
  return x * std::sqrt(1.0 + ratio * ratio);
}
double distance(Point a, Point b) { return hypotenuse(a.x - b.x, a.y - b.y); }
bool same(Point a, Point b) { return eq(a.x, b.x) && eq(a.y, b.y); }
Point add(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
Point sub(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
Point mul(Point a, Point b) { return {a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x}; }
Point div(Point a, Point b) {
  double d = b.x * b.x + b.y * b.y;
  if (d == 0) division_by_zero();
  return {(a.x * b.x + a.y * b.y) / d, (a.y * b.x - a.x * b.y) / d};
}

// ---- payloads

std::vector<double> numbers(Datum d) {
  std::string_view s = d.as_view();
  std::vector<double> v(s.size() / 8);
  std::memcpy(v.data(), s.data(), v.size() * 8);
  return v;
}
Datum make(Arena& arena, std::initializer_list<double> v) {
  return make_bytes(arena, {reinterpret_cast<const char*>(v.begin()), v.size() * 8});
}
template <typename T>
T get(Datum d);
template <> Point get<Point>(Datum d) { auto v = numbers(d); return {v[0], v[1]}; }
template <> Lseg get<Lseg>(Datum d) { auto v = numbers(d); return {{v[0], v[1]}, {v[2], v[3]}}; }
template <> Box get<Box>(Datum d) { auto v = numbers(d); return {{v[0], v[1]}, {v[2], v[3]}}; }
template <> Line get<Line>(Datum d) { auto v = numbers(d); return {v[0], v[1], v[2]}; }
template <> Circle get<Circle>(Datum d) { auto v = numbers(d); return {{v[0], v[1]}, v[2]}; }
template <> Path get<Path>(Datum d) {
  auto v = numbers(d);
  Path p;
  p.closed = v[0] != 0;
  for (size_t i = 1; i + 1 < v.size(); i += 2) p.p.push_back({v[i], v[i + 1]});
  return p;
}
Datum put(Arena& a, Point p) { return make(a, {p.x, p.y}); }
Datum put(Arena& a, Lseg s) { return make(a, {s.a.x, s.a.y, s.b.x, s.b.y}); }
Datum put(Arena& a, Box b) { return make(a, {b.high.x, b.high.y, b.low.x, b.low.y}); }
Datum put(Arena& a, Line l) { return make(a, {l.a, l.b, l.c}); }
Datum put(Arena& a, Circle c) { return make(a, {c.center.x, c.center.y, c.radius}); }
Datum put(Arena& a, const Path& p) {
  Varlena* v = make_varlena(a, 8 + 16 * p.p.size());
  double closed = p.closed ? 1 : 0;
  std::memcpy(v->data, &closed, 8);
  if (!p.p.empty()) std::memcpy(v->data + 8, p.p.data(), 16 * p.p.size());
  return Datum::from_varlena(v);
}
Datum put(Arena&, double v) { return Datum::from_double(v); }
Datum put(Arena&, bool v) { return Datum::from_bool(v); }
Datum put(Arena&, int v) { return Datum::from_int(v); }

Box box_of(Point a, Point b) {
  return {{std::max(a.x, b.x), std::max(a.y, b.y)}, {std::min(a.x, b.x), std::min(a.y, b.y)}};
}
Line line_of(Point a, Point b) {
  if (eq(a.x, b.x)) return {-1, 0, a.x};
  if (eq(a.y, b.y)) return {0, -1, a.y};
  Line l{(a.y - b.y) / (a.x - b.x), -1, 0};
  l.c = a.y - l.a * a.x;
  if (l.c == 0) l.c = 0;
  return l;
}

// ---- text

class Parser {
 public:
  Parser(std::string_view text, const char* type) : text_(text), s_(text), type_(type) {}
  [[noreturn]] void bad() const {
    throw Error(ErrorCode::kInvalidTextRepresentation, fmt::format("invalid input syntax for type {}: \"{}\"", type_, text_));
  }
  void spaces() {
    while (i_ < s_.size() && is_array_space(s_[i_])) ++i_;
  }
  bool accept(char c) {
    spaces();
    if (i_ >= s_.size() || s_[i_] != c) return false;
    ++i_;
    return true;
  }
  double number() {
    spaces();
    size_t start = i_;
    while (i_ < s_.size() && s_[i_] != ',' && s_[i_] != ')' && s_[i_] != ']' && s_[i_] != '>' && s_[i_] != '}' &&
           s_[i_] != '(' && !is_array_space(s_[i_]))
      ++i_;
    if (i_ == start) bad();
    std::string_view word = s_.substr(start, i_ - start);
    try {
      double v = parse_float8(word);
      spaces();
      return v;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kNumericValueOutOfRange) throw;
      bad();
    }
  }
  Point pair() {
    bool paren = accept('(');
    Point p;
    p.x = number();
    if (!accept(',')) bad();
    p.y = number();
    if (paren && !accept(')')) bad();
    return p;
  }
  // The points of a path; `open` tells brackets from parentheses.
  std::vector<Point> points(size_t want, bool brackets, bool* open) {
    size_t commas = static_cast<size_t>(std::count(s_.begin(), s_.end(), ','));
    if (commas % 2 == 0) bad();
    size_t n = (commas + 1) / 2;
    if (want != 0 && n != want) bad();
    int depth = 0;
    bool bracket = false;
    spaces();
    if (i_ < s_.size() && s_[i_] == '[') {
      if (!brackets) bad();
      bracket = true;
      ++i_;
      ++depth;
    } else if (i_ < s_.size() && s_[i_] == '(') {
      size_t next = i_ + 1;
      while (next < s_.size() && is_array_space(s_[next])) ++next;
      if ((next < s_.size() && s_[next] == '(') || s_.rfind('(') == i_) {
        if (!(n == 1 && s_.rfind('(') == i_)) {
          ++depth;
          i_ = next;
        }
      }
    }
    std::vector<Point> out;
    for (size_t k = 0; k < n; ++k) {
      if (k > 0 && !accept(',')) bad();
      out.push_back(pair());
    }
    for (; depth > 0; --depth)
      if (!accept(bracket && depth == 1 ? ']' : ')')) bad();
    end();
    if (open != nullptr) *open = bracket;
    return out;
  }
  void end() {
    spaces();
    if (i_ != s_.size()) bad();
  }
  bool at(char c) {
    spaces();
    return i_ < s_.size() && s_[i_] == c;
  }
  bool second_is(char c) const {
    size_t next = i_ + 1;
    while (next < s_.size() && is_array_space(s_[next])) ++next;
    return next < s_.size() && s_[next] == c;
  }

 private:
  std::string_view text_, s_;
  const char* type_;
  size_t i_ = 0;
};

Datum point_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  Parser p(s, "point");
  Point v = p.pair();
  p.end();
  return put(a, v);
}
Datum lseg_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  auto v = Parser(s, "lseg").points(2, true, nullptr);
  return put(a, Lseg{v[0], v[1]});
}
Datum box_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  auto v = Parser(s, "box").points(2, false, nullptr);
  return put(a, box_of(v[0], v[1]));
}
Datum path_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  bool open = false;
  Path p;
  p.p = Parser(s, "path").points(0, true, &open);
  p.closed = !open;
  return put(a, p);
}
Datum poly_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  Path p;
  p.p = Parser(s, "polygon").points(0, false, nullptr);
  return put(a, p);
}
Datum circle_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  Parser p(s, "circle");
  bool angle = p.accept('<');
  bool paren = !angle && p.at('(') && p.second_is('(') && p.accept('(');
  bool flat = !angle && !paren && p.at('(') && std::count(s.begin(), s.end(), '(') == 1 && s.find(')') == s.find_last_not_of(" \t\n") && p.accept('(');
  Circle c;
  c.center = p.pair();
  if (!p.accept(',')) p.bad();
  c.radius = p.number();
  if (c.radius < 0) p.bad();
  if (angle && !p.accept('>')) p.bad();
  if ((paren || flat) && !p.accept(')')) p.bad();
  p.end();
  return put(a, c);
}
Datum line_in(std::string_view s, int32_t, Arena& a, EvalContext&) {
  Parser p(s, "line");
  if (p.accept('{')) {
    Line l;
    l.a = p.number();
    if (!p.accept(',')) p.bad();
    l.b = p.number();
    if (!p.accept(',')) p.bad();
    l.c = p.number();
    if (!p.accept('}')) p.bad();
    p.end();
    if (zero(l.a) && zero(l.b))
      throw Error(ErrorCode::kInvalidTextRepresentation, "invalid line specification: A and B cannot both be zero");
    return put(a, l);
  }
  auto v = p.points(2, true, nullptr);
  if (same(v[0], v[1]))
    throw Error(ErrorCode::kInvalidTextRepresentation, "invalid line specification: must be two distinct points");
  return put(a, line_of(v[0], v[1]));
}

void out_number(double v, std::string& out, EvalContext& ctx) { append_float8(v, ctx.extra_float_digits, out); }
void out_point(Point p, std::string& out, EvalContext& ctx) {
  out += '(';
  out_number(p.x, out, ctx);
  out += ',';
  out_number(p.y, out, ctx);
  out += ')';
}
void point_out(Datum d, std::string& out, EvalContext& ctx) { out_point(get<Point>(d), out, ctx); }
void lseg_out(Datum d, std::string& out, EvalContext& ctx) {
  Lseg s = get<Lseg>(d);
  out += '[';
  out_point(s.a, out, ctx);
  out += ',';
  out_point(s.b, out, ctx);
  out += ']';
}
void box_out(Datum d, std::string& out, EvalContext& ctx) {
  Box b = get<Box>(d);
  out_point(b.high, out, ctx);
  out += ',';
  out_point(b.low, out, ctx);
}
void path_out(Datum d, std::string& out, EvalContext& ctx) {
  Path p = get<Path>(d);
  out += p.closed ? '(' : '[';
  for (size_t i = 0; i < p.p.size(); ++i) {
    if (i > 0) out += ',';
    out_point(p.p[i], out, ctx);
  }
  out += p.closed ? ')' : ']';
}
void circle_out(Datum d, std::string& out, EvalContext& ctx) {
  Circle c = get<Circle>(d);
  out += '<';
  out_point(c.center, out, ctx);
  out += ',';
  out_number(c.radius, out, ctx);
  out += '>';
}
void line_out(Datum d, std::string& out, EvalContext& ctx) {
  Line l = get<Line>(d);
  out += '{';
  out_number(l.a, out, ctx);
  out += ',';
  out_number(l.b, out, ctx);
  out += ',';
  out_number(l.c, out, ctx);
  out += '}';
}

// ---- binary

void doubles_send(Datum d, std::string& out, EvalContext&) {
  for (double v : numbers(d)) put_be64(out, std::bit_cast<uint64_t>(v));
}
template <size_t N>
Datum doubles_recv(std::string_view s, int32_t, Arena& a, EvalContext&) {
  if (s.size() != 8 * N) throw Error(ErrorCode::kProtocolViolation, "insufficient data left in message");
  std::array<double, N> v;
  for (size_t i = 0; i < N; ++i) v[i] = std::bit_cast<double>(load_be64(s.data() + 8 * i));
  return make_bytes(a, {reinterpret_cast<const char*>(v.data()), 8 * N});
}
template <bool kPathType>
void points_send(Datum d, std::string& out, EvalContext&) {
  Path p = get<Path>(d);
  if (kPathType) out.push_back(p.closed ? 1 : 0);
  put_be32(out, static_cast<uint32_t>(p.p.size()));
  for (Point q : p.p) {
    put_be64(out, std::bit_cast<uint64_t>(q.x));
    put_be64(out, std::bit_cast<uint64_t>(q.y));
  }
}
template <bool kPathType>
Datum points_recv(std::string_view s, int32_t, Arena& a, EvalContext&) {
  Reader in(s);
  Path p;
  if (kPathType) p.closed = in.le<uint8_t>() != 0;
  uint32_t n = in.be32();
  if (!in.ok() || n == 0 || in.rest().size() != size_t{n} * 16)
    throw Error(ErrorCode::kInvalidBinaryRepresentation,
                fmt::format("invalid number of points in external \"{}\" value", kPathType ? "path" : "polygon"));
  for (uint32_t i = 0; i < n; ++i) {
    Point q;
    q.x = std::bit_cast<double>(in.be64());
    q.y = std::bit_cast<double>(in.be64());
    p.p.push_back(q);
  }
  return put(a, p);
}

// ---- segments and lines

bool intersection(Line p, Line q, Point& out) {
  if (!zero(p.b)) {
    if (near(q.a, p.a * (q.b / p.b))) return false;
    out.x = (p.b * q.c - q.b * p.c) / (p.a * q.b - q.a * p.b);
    out.y = -(p.a * out.x + p.c) / p.b;
  } else if (!zero(q.b)) {
    if (near(p.a, q.a * (p.b / q.b))) return false;
    out.x = (q.b * p.c - p.b * q.c) / (q.a * p.b - p.a * q.b);
    out.y = -(q.a * out.x + q.c) / q.b;
  } else {
    return false;
  }
  if (out.x == 0) out.x = 0;
  if (out.y == 0) out.y = 0;
  return true;
}
bool on_segment(Point p, Lseg s) { return eq(distance(p, s.a) + distance(p, s.b), distance(s.a, s.b)); }
bool segment_meets(Lseg p, Lseg q, Point& out) {
  if (!intersection(line_of(p.a, p.b), line_of(q.a, q.b), out)) return false;
  if (!on_segment(out, p) || !on_segment(out, q)) return false;
  // An end that is there is the exact answer.
  for (Point e : {p.a, p.b})
    if (same(e, out)) out = e;
  return true;
}
bool segment_meets_line(Lseg s, Line l, Point& out) {
  if (!intersection(line_of(s.a, s.b), l, out) || !on_segment(out, s)) return false;
  if (same(s.a, out)) out = s.a;
  else if (same(s.b, out)) out = s.b;
  return true;
}
double slope(Point a, Point b) {
  if (eq(a.x, b.x)) return std::numeric_limits<double>::infinity();
  if (eq(a.y, b.y)) return 0;
  return (a.y - b.y) / (a.x - b.x);
}
double inverse_slope(Point a, Point b) {
  if (eq(a.x, b.x)) return 0;
  if (eq(a.y, b.y)) return std::numeric_limits<double>::infinity();
  return (a.x - b.x) / (b.y - a.y);
}
double inverse_slope(Line l) {
  if (zero(l.a)) return std::numeric_limits<double>::infinity();
  if (zero(l.b)) return 0;
  return l.b / l.a;
}
Line line_through(Point p, double m) {
  if (std::isinf(m)) return {-1, 0, p.x};
  if (m == 0) return {0, -1, p.y};
  Line l{m, -1, p.y - m * p.x};
  if (l.c == 0) l.c = 0;
  return l;
}
// The closest point and how far it is: where the perpendicular meets. NaN when there is none, which
// only NaN coordinates bring about.
double closest(Line l, Point p, Point* out) {
  Point at;
  if (!intersection(line_through(p, inverse_slope(l)), l, at)) {
    if (out != nullptr) *out = p;
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (out != nullptr) *out = at;
  return distance(at, p);
}
double closest(Lseg s, Line l, Point* out) {
  Point at;
  if (segment_meets_line(s, l, at)) {
    if (out != nullptr) *out = at;
    return 0;
  }
  const double a = closest(l, s.a, nullptr), b = closest(l, s.b, nullptr);
  if (out != nullptr) *out = a < b ? s.a : s.b;
  return a < b ? a : b;
}
double closest(Lseg s, Point p, Point* out) {
  Point at;
  closest(s, line_through(p, inverse_slope(s.a, s.b)), &at);
  if (out != nullptr) *out = at;
  return distance(at, p);
}
double point_line(Point p, Line l) { return closest(l, p, nullptr); }
Point nearest(Point p, Lseg s) {
  Point q;
  closest(s, p, &q);
  return q;
}
double segment_distance(Point p, Lseg s) { return distance(p, nearest(p, s)); }
double segment_distance(Lseg p, Lseg q) {
  Point at;
  if (segment_meets(p, q, at)) return 0;
  return std::min({segment_distance(p.a, q), segment_distance(p.b, q), segment_distance(q.a, p), segment_distance(q.b, p)});
}
std::array<Lseg, 4> edges(Box b) {
  Point nw{b.low.x, b.high.y}, se{b.high.x, b.low.y};
  return {Lseg{b.low, nw}, Lseg{nw, b.high}, Lseg{b.high, se}, Lseg{se, b.low}};
}
bool in_box(Box b, Point p) { return b.high.x >= p.x && b.low.x <= p.x && b.high.y >= p.y && b.low.y <= p.y; }
bool segment_meets_box(Lseg s, Box b) {
  if (in_box(b, s.a) || in_box(b, s.b)) return true;
  Point at;
  for (Lseg e : edges(b))
    if (segment_meets(s, e, at)) return true;
  return false;
}
bool overlap(Box a, Box b) {
  return le(a.low.x, b.high.x) && le(b.low.x, a.high.x) && le(a.low.y, b.high.y) && le(b.low.y, a.high.y);
}
Point center(Box b) { return {(b.high.x + b.low.x) / 2, (b.high.y + b.low.y) / 2}; }
double area(Box b) { return (b.high.x - b.low.x) * (b.high.y - b.low.y); }

// ---- paths and polygons

std::vector<Lseg> segments(const Path& p) {
  std::vector<Lseg> out;
  for (size_t i = 0; i < p.p.size(); ++i) {
    size_t next = i + 1;
    if (next == p.p.size()) {
      if (!p.closed) break;
      next = 0;
    }
    out.push_back({p.p[i], p.p[next]});
  }
  return out;
}
constexpr int kOnEdge = std::numeric_limits<int>::max();
// How an edge crosses the positive x axis of the point it is seen from: twice the sign of a whole
// crossing, once for an edge that ends on the axis.
int crossing(double x, double y, double before_x, double before_y) {
  if (zero(y)) {
    if (zero(x)) return kOnEdge;
    if (gt(x, 0)) {
      if (zero(before_y)) return gt(before_x, 0) ? 0 : kOnEdge;
      return lt(before_y, 0) ? 1 : -1;
    }
    if (zero(before_y)) return lt(before_x, 0) ? 0 : kOnEdge;
    return 0;
  }
  const int sign = gt(y, 0) ? 1 : -1;
  if (zero(before_y)) return lt(before_x, 0) ? 0 : sign;
  if ((sign < 0 && lt(before_y, 0)) || (sign > 0 && gt(before_y, 0))) return 0;
  if (ge(x, 0) && gt(before_x, 0)) return 2 * sign;
  if (lt(x, 0) && le(before_x, 0)) return 0;
  const double z = (x - before_x) * y - (y - before_y) * x;
  if (zero(z)) return kOnEdge;
  if ((sign < 0 && lt(z, 0)) || (sign > 0 && gt(z, 0))) return 0;
  return 2 * sign;
}
// 0 outside, 1 inside, 2 on the edge.
int inside(Point q, const Path& p) {
  int total = 0;
  for (size_t i = 1; i <= p.p.size(); ++i) {
    const Point at = sub(p.p[i % p.p.size()], q), before = sub(p.p[i - 1], q);
    const int c = crossing(at.x, at.y, before.x, before.y);
    if (c == kOnEdge) return 2;
    total += c;
  }
  return total != 0 ? 1 : 0;
}
Box bounds(const Path& p) {
  Box b{p.p[0], p.p[0]};
  for (Point q : p.p) {
    b.high = {std::max(b.high.x, q.x), std::max(b.high.y, q.y)};
    b.low = {std::min(b.low.x, q.x), std::min(b.low.y, q.y)};
  }
  return b;
}
bool poly_overlap(const Path& a, const Path& b) {
  if (!overlap(bounds(a), bounds(b))) return false;
  Point at;
  for (Lseg s : segments(a))
    for (Lseg t : segments(b))
      if (segment_meets(s, t, at)) return true;
  return inside(a.p[0], b) != 0 || inside(b.p[0], a) != 0;
}
bool poly_contain(const Path& a, const Path& b) {
  for (Point q : b.p)
    if (inside(q, a) == 0) return false;
  // An edge of b may still leave a between its ends: look between the crossings.
  for (Lseg t : segments(b)) {
    std::vector<double> cuts{0, 1};
    double length = distance(t.a, t.b);
    Point at;
    for (Lseg s : segments(a))
      if (length > 0 && segment_meets(t, s, at)) cuts.push_back(distance(t.a, at) / length);
    std::sort(cuts.begin(), cuts.end());
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      double m = (cuts[i] + cuts[i + 1]) / 2;
      if (inside({t.a.x + m * (t.b.x - t.a.x), t.a.y + m * (t.b.y - t.a.y)}, a) == 0) return false;
    }
  }
  return true;
}
bool poly_same(const Path& a, const Path& b) {
  size_t n = a.p.size();
  if (n != b.p.size()) return false;
  for (size_t start = 0; start < n; ++start) {
    if (!same(a.p[0], b.p[start])) continue;
    bool forward = true, backward = true;
    for (size_t i = 0; i < n; ++i) {
      forward = forward && same(a.p[i], b.p[(start + i) % n]);
      backward = backward && same(a.p[i], b.p[(start + n - i) % n]);
    }
    if (forward || backward) return true;
  }
  return false;
}
Circle circle_of(const Path& p) {
  Circle c;
  for (Point q : p.p) c.center = add(c.center, q);
  double n = static_cast<double>(p.p.size());
  c.center = {c.center.x / n, c.center.y / n};
  for (Point q : p.p) c.radius += distance(q, c.center);
  c.radius /= n;
  return c;
}
double poly_point(const Path& p, Point q) {
  if (inside(q, p) != 0) return 0;
  double best = segment_distance(q, {p.p.front(), p.p.back()});
  for (size_t i = 0; i + 1 < p.p.size(); ++i) best = std::min(best, segment_distance(q, {p.p[i], p.p[i + 1]}));
  return best;
}
double paths_distance(const Path& a, const Path& b) {
  double best = std::numeric_limits<double>::infinity();
  for (Lseg s : segments(a))
    for (Lseg t : segments(b)) best = std::min(best, segment_distance(s, t));
  return best;
}
double path_point(const Path& p, Point q) {
  if (p.p.size() == 1) return distance(p.p[0], q);
  double best = std::numeric_limits<double>::infinity();
  for (Lseg s : segments(p)) best = std::min(best, segment_distance(q, s));
  return best;
}
Path circle_polygon(int64_t n, Circle c) {
  if (zero(c.radius)) throw Error(ErrorCode::kFeatureNotSupported, "cannot convert circle with radius zero to polygon");
  if (n < 2) throw Error(ErrorCode::kInvalidParameterValue, "must request at least 2 points");
  Path p;
  double step = 2.0 * M_PI / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    double angle = step * static_cast<double>(i);
    p.p.push_back({c.center.x - c.radius * std::cos(angle), c.center.y + c.radius * std::sin(angle)});
  }
  return p;
}

// Registers a function of typed arguments: F is a captureless lambda.
template <typename A, typename F>
ScalarFn unary(F) {
  return [](FnCall& c) { return put(*c.arena, F{}(get<A>(c.arg(0)))); };
}
template <typename A, typename B, typename F>
ScalarFn binary(F) {
  return [](FnCall& c) { return put(*c.arena, F{}(get<A>(c.arg(0)), get<B>(c.arg(1)))); };
}
// As binary, but F fills its third argument and says whether there is a result.
template <typename A, typename B, typename F>
ScalarFn maybe(F) {
  return [](FnCall& c) {
    Point p;
    return F{}(get<A>(c.arg(0)), get<B>(c.arg(1)), p) ? put(*c.arena, p) : c.null();
  };
}

void register_points(FunctionRegistry& r) {
  r.add("construct_point", [](FnCall& c) { return make(*c.arena, {c.arg(0).as_double(), c.arg(1).as_double()}); });
  r.add("point_eq", binary<Point, Point>([](Point a, Point b) { return same(a, b); }));
  r.add("point_ne", binary<Point, Point>([](Point a, Point b) { return !same(a, b); }));
  r.add("point_left", binary<Point, Point>([](Point a, Point b) { return lt(a.x, b.x); }));
  r.add("point_right", binary<Point, Point>([](Point a, Point b) { return gt(a.x, b.x); }));
  r.add("point_above", binary<Point, Point>([](Point a, Point b) { return gt(a.y, b.y); }));
  r.add("point_below", binary<Point, Point>([](Point a, Point b) { return lt(a.y, b.y); }));
  r.add("point_vert", binary<Point, Point>([](Point a, Point b) { return eq(a.x, b.x); }));
  r.add("point_horiz", binary<Point, Point>([](Point a, Point b) { return eq(a.y, b.y); }));
  r.add("point_distance", binary<Point, Point>([](Point a, Point b) { return distance(a, b); }));
  r.add("point_slope", binary<Point, Point>([](Point a, Point b) { return slope(a, b); }));
  r.add("point_add", binary<Point, Point>([](Point a, Point b) { return add(a, b); }));
  r.add("point_sub", binary<Point, Point>([](Point a, Point b) { return sub(a, b); }));
  r.add("point_mul", binary<Point, Point>([](Point a, Point b) { return mul(a, b); }));
  r.add("point_div", binary<Point, Point>([](Point a, Point b) { return div(a, b); }));
  r.add("point_box", unary<Point>([](Point p) { return Box{p, p}; }));
  r.add("points_box", binary<Point, Point>([](Point a, Point b) { return box_of(a, b); }));
  r.add("lseg_construct", binary<Point, Point>([](Point a, Point b) { return Lseg{a, b}; }));
  r.add("line_construct_pp", binary<Point, Point>([](Point a, Point b) {
    if (same(a, b)) throw Error(ErrorCode::kInvalidParameterValue, "invalid line specification: must be two distinct points");
    return line_of(a, b);
  }));
  r.add("cr_circle", [](FnCall& c) {
    Point p = get<Point>(c.arg(0));
    return make(*c.arena, {p.x, p.y, c.arg(1).as_double()});
  });
}

void register_segments(FunctionRegistry& r) {
  r.add("lseg_eq", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return same(a.a, b.a) && same(a.b, b.b); }));
  r.add("lseg_ne", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return !same(a.a, b.a) || !same(a.b, b.b); }));
  r.add("lseg_lt", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return lt(distance(a.a, a.b), distance(b.a, b.b)); }));
  r.add("lseg_le", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return le(distance(a.a, a.b), distance(b.a, b.b)); }));
  r.add("lseg_gt", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return gt(distance(a.a, a.b), distance(b.a, b.b)); }));
  r.add("lseg_ge", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return ge(distance(a.a, a.b), distance(b.a, b.b)); }));
  r.add("lseg_length", unary<Lseg>([](Lseg s) { return distance(s.a, s.b); }));
  r.add("lseg_center", unary<Lseg>([](Lseg s) { return Point{(s.a.x + s.b.x) / 2, (s.a.y + s.b.y) / 2}; }));
  r.add("lseg_vertical", unary<Lseg>([](Lseg s) { return eq(s.a.x, s.b.x); }));
  r.add("lseg_horizontal", unary<Lseg>([](Lseg s) { return eq(s.a.y, s.b.y); }));
  r.add("lseg_parallel", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return eq(slope(a.a, a.b), slope(b.a, b.b)); }));
  r.add("lseg_perp", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return eq(slope(a.a, a.b), inverse_slope(b.a, b.b)); }));
  r.add("lseg_intersect", binary<Lseg, Lseg>([](Lseg a, Lseg b) { Point p; return segment_meets(a, b, p); }));
  r.add("lseg_interpt", maybe<Lseg, Lseg>([](Lseg a, Lseg b, Point& p) { return segment_meets(a, b, p); }));
  r.add("lseg_distance", binary<Lseg, Lseg>([](Lseg a, Lseg b) { return segment_distance(a, b); }));
  r.add("line_eq", binary<Line, Line>([](Line a, Line b) {
    double ratio = !zero(b.a) ? a.a / b.a : !zero(b.b) ? a.b / b.b : !zero(b.c) ? a.c / b.c : 1;
    return eq(a.a, ratio * b.a) && eq(a.b, ratio * b.b) && eq(a.c, ratio * b.c);
  }));
  r.add("line_vertical", unary<Line>([](Line l) { return zero(l.b); }));
  r.add("line_horizontal", unary<Line>([](Line l) { return zero(l.a); }));
  r.add("line_intersect", binary<Line, Line>([](Line a, Line b) { Point p; return intersection(a, b, p); }));
  r.add("line_interpt", maybe<Line, Line>([](Line a, Line b, Point& p) { return intersection(a, b, p); }));
  r.add("line_parallel", binary<Line, Line>([](Line a, Line b) { Point p; return !intersection(a, b, p); }));
  r.add("line_perp", binary<Line, Line>([](Line a, Line b) {
    if (zero(a.a)) return zero(b.b);
    if (zero(b.a)) return zero(a.b);
    if (zero(a.b)) return zero(b.a);
    if (zero(b.b)) return zero(a.a);
    return eq((a.a * b.a) / (a.b * b.b), -1.0);
  }));
  r.add("line_distance", binary<Line, Line>([](Line a, Line b) {
    Point p;
    if (intersection(a, b, p)) return 0.0;
    double ratio = !zero(a.a) && !zero(b.a) ? a.a / b.a : !zero(a.b) && !zero(b.b) ? a.b / b.b : 1.0;
    return std::fabs(a.c - ratio * b.c) / hypotenuse(a.a, a.b);
  }));
  r.add("dist_pl", binary<Point, Line>([](Point p, Line l) { return point_line(p, l); }));
  r.add("dist_lp", binary<Line, Point>([](Line l, Point p) { return point_line(p, l); }));
  r.add("dist_ps", binary<Point, Lseg>([](Point p, Lseg s) { return segment_distance(p, s); }));
  r.add("dist_sp", binary<Lseg, Point>([](Lseg s, Point p) { return segment_distance(p, s); }));
  r.add("dist_sl", binary<Lseg, Line>([](Lseg s, Line l) { return closest(s, l, nullptr); }));
  r.add("dist_ls", binary<Line, Lseg>([](Line l, Lseg s) { return closest(s, l, nullptr); }));
  r.add("on_pl", binary<Point, Line>([](Point p, Line l) { return zero(l.a * p.x + l.b * p.y + l.c); }));
  r.add("on_ps", binary<Point, Lseg>([](Point p, Lseg s) { return on_segment(p, s); }));
  r.add("on_sl", binary<Lseg, Line>([](Lseg s, Line l) {
    return zero(l.a * s.a.x + l.b * s.a.y + l.c) && zero(l.a * s.b.x + l.b * s.b.y + l.c);
  }));
  r.add("inter_sl", binary<Lseg, Line>([](Lseg s, Line l) { Point p; return segment_meets_line(s, l, p); }));
  r.add("close_ps", maybe<Point, Lseg>([](Point p, Lseg s, Point& out) { return !std::isnan(closest(s, p, &out)); }));
  r.add("close_pl", maybe<Point, Line>([](Point p, Line l, Point& out) { return !std::isnan(closest(l, p, &out)); }));
  r.add("close_ls", maybe<Line, Lseg>([](Line l, Lseg s, Point& out) {
    const double m = zero(l.a) ? 0 : zero(l.b) ? std::numeric_limits<double>::infinity() : l.a / -l.b;
    if (slope(s.a, s.b) == m) return false;
    return !std::isnan(closest(s, l, &out));
  }));
  r.add("close_lseg", maybe<Lseg, Lseg>([](Lseg a, Lseg b, Point& out) {
    if (slope(a.a, a.b) == slope(b.a, b.b)) return false;
    if (segment_meets(b, a, out)) return true;
    double best = closest(b, a.a, &out);
    Point at;
    auto offer = [&](Point on_b, double d) {
      if (d < best) {
        best = d;
        out = on_b;
      }
    };
    const double other = closest(b, a.b, &at);
    offer(at, other);
    offer(b.a, closest(a, b.a, nullptr));
    offer(b.b, closest(a, b.b, nullptr));
    return !std::isnan(best);
  }));
}

void register_boxes(FunctionRegistry& r) {
  r.add("box_same", binary<Box, Box>([](Box a, Box b) { return same(a.high, b.high) && same(a.low, b.low); }));
  r.add("box_overlap", binary<Box, Box>([](Box a, Box b) { return overlap(a, b); }));
  r.add("box_left", binary<Box, Box>([](Box a, Box b) { return lt(a.high.x, b.low.x); }));
  r.add("box_overleft", binary<Box, Box>([](Box a, Box b) { return le(a.high.x, b.high.x); }));
  r.add("box_right", binary<Box, Box>([](Box a, Box b) { return gt(a.low.x, b.high.x); }));
  r.add("box_overright", binary<Box, Box>([](Box a, Box b) { return ge(a.low.x, b.low.x); }));
  r.add("box_below", binary<Box, Box>([](Box a, Box b) { return lt(a.high.y, b.low.y); }));
  r.add("box_overbelow", binary<Box, Box>([](Box a, Box b) { return le(a.high.y, b.high.y); }));
  r.add("box_above", binary<Box, Box>([](Box a, Box b) { return gt(a.low.y, b.high.y); }));
  r.add("box_overabove", binary<Box, Box>([](Box a, Box b) { return ge(a.low.y, b.low.y); }));
  r.add("box_below_eq", binary<Box, Box>([](Box a, Box b) { return le(a.high.y, b.low.y); }));
  r.add("box_above_eq", binary<Box, Box>([](Box a, Box b) { return ge(a.low.y, b.high.y); }));
  auto contain = [](Box a, Box b) { return ge(a.high.x, b.high.x) && le(a.low.x, b.low.x) && ge(a.high.y, b.high.y) && le(a.low.y, b.low.y); };
  r.add("box_contain", binary<Box, Box>(contain));
  r.add("box_contained", binary<Box, Box>([](Box b, Box a) { return ge(a.high.x, b.high.x) && le(a.low.x, b.low.x) && ge(a.high.y, b.high.y) && le(a.low.y, b.low.y); }));
  r.add("box_contain_pt", binary<Box, Point>([](Box b, Point p) { return in_box(b, p); }));
  r.add("on_pb", binary<Point, Box>([](Point p, Box b) { return in_box(b, p); }));
  r.add("box_eq", binary<Box, Box>([](Box a, Box b) { return eq(area(a), area(b)); }));
  r.add("box_lt", binary<Box, Box>([](Box a, Box b) { return lt(area(a), area(b)); }));
  r.add("box_le", binary<Box, Box>([](Box a, Box b) { return le(area(a), area(b)); }));
  r.add("box_gt", binary<Box, Box>([](Box a, Box b) { return gt(area(a), area(b)); }));
  r.add("box_ge", binary<Box, Box>([](Box a, Box b) { return ge(area(a), area(b)); }));
  r.add("box_area", unary<Box>([](Box b) { return area(b); }));
  r.add("box_width", unary<Box>([](Box b) { return b.high.x - b.low.x; }));
  r.add("box_height", unary<Box>([](Box b) { return b.high.y - b.low.y; }));
  r.add("box_center", unary<Box>([](Box b) { return center(b); }));
  r.add("box_diagonal", unary<Box>([](Box b) { return Lseg{b.high, b.low}; }));
  r.add("box_distance", binary<Box, Box>([](Box a, Box b) { return distance(center(a), center(b)); }));
  r.add("box_intersect", [](FnCall& c) {
    Box a = get<Box>(c.arg(0)), b = get<Box>(c.arg(1));
    if (!overlap(a, b)) return c.null();
    return put(*c.arena, Box{{std::min(a.high.x, b.high.x), std::min(a.high.y, b.high.y)}, {std::max(a.low.x, b.low.x), std::max(a.low.y, b.low.y)}});
  });
  r.add("boxes_bound_box", binary<Box, Box>([](Box a, Box b) {
    return Box{{std::max(a.high.x, b.high.x), std::max(a.high.y, b.high.y)}, {std::min(a.low.x, b.low.x), std::min(a.low.y, b.low.y)}};
  }));
  r.add("box_add", binary<Box, Point>([](Box b, Point p) { return Box{add(b.high, p), add(b.low, p)}; }));
  r.add("box_sub", binary<Box, Point>([](Box b, Point p) { return Box{sub(b.high, p), sub(b.low, p)}; }));
  r.add("box_mul", binary<Box, Point>([](Box b, Point p) { return box_of(mul(b.high, p), mul(b.low, p)); }));
  r.add("box_div", binary<Box, Point>([](Box b, Point p) { return box_of(div(b.high, p), div(b.low, p)); }));
  r.add("box_circle", unary<Box>([](Box b) { return Circle{center(b), distance(center(b), b.high)}; }));
  r.add("box_poly", unary<Box>([](Box b) {
    return Path{true, {b.low, {b.low.x, b.high.y}, b.high, {b.high.x, b.low.y}}};
  }));
  auto nearest_on_box = [](Point p, Box b) {
    if (in_box(b, p)) return p;
    Point best = b.low;
    double d = std::numeric_limits<double>::infinity();
    for (Lseg e : edges(b)) {
      Point q = nearest(p, e);
      if (distance(p, q) < d) {
        d = distance(p, q);
        best = q;
      }
    }
    return best;
  };
  r.add("close_pb", binary<Point, Box>(nearest_on_box));
  r.add("dist_pb", binary<Point, Box>([](Point p, Box b) { return hypotenuse(std::max({b.low.x - p.x, 0.0, p.x - b.high.x}), std::max({b.low.y - p.y, 0.0, p.y - b.high.y})); }));
  r.add("dist_bp", binary<Box, Point>([](Box b, Point p) { return hypotenuse(std::max({b.low.x - p.x, 0.0, p.x - b.high.x}), std::max({b.low.y - p.y, 0.0, p.y - b.high.y})); }));
  r.add("close_sb", [](FnCall& c) {
    Lseg s = get<Lseg>(c.arg(0));
    Box b = get<Box>(c.arg(1));
    if (segment_meets_box(s, b)) return put(*c.arena, nearest(center(b), s));
    Point best;
    double d = std::numeric_limits<double>::infinity();
    for (Lseg e : edges(b)) {
      for (Point p : {nearest(s.a, e), nearest(s.b, e), e.a, e.b}) {
        if (segment_distance(p, s) < d) {
          d = segment_distance(p, s);
          best = p;
        }
      }
    }
    return put(*c.arena, best);
  });
  auto box_segment = [](Lseg s, Box b) {
    if (segment_meets_box(s, b)) return 0.0;
    double best = std::numeric_limits<double>::infinity();
    for (Lseg e : edges(b)) best = std::min(best, segment_distance(s, e));
    return best;
  };
  static const auto kBoxSegment = box_segment;
  r.add("dist_sb", [](FnCall& c) { return Datum::from_double(kBoxSegment(get<Lseg>(c.arg(0)), get<Box>(c.arg(1)))); });
  r.add("dist_bs", [](FnCall& c) { return Datum::from_double(kBoxSegment(get<Lseg>(c.arg(1)), get<Box>(c.arg(0)))); });
  r.add("on_sb", binary<Lseg, Box>([](Lseg s, Box b) { return in_box(b, s.a) && in_box(b, s.b); }));
  r.add("inter_sb", binary<Lseg, Box>([](Lseg s, Box b) { return segment_meets_box(s, b); }));
  r.add("inter_lb", binary<Line, Box>([](Line l, Box b) {
    Point p;
    for (Lseg e : edges(b))
      if (segment_meets_line(e, l, p)) return true;
    return false;
  }));
}

void register_paths(FunctionRegistry& r) {
  r.add("path_isclosed", unary<Path>([](const Path& p) { return p.closed; }));
  r.add("path_isopen", unary<Path>([](const Path& p) { return !p.closed; }));
  r.add("path_npoints", unary<Path>([](const Path& p) { return static_cast<int>(p.p.size()); }));
  r.add("path_close", unary<Path>([](Path p) { p.closed = true; return p; }));
  r.add("path_open", unary<Path>([](Path p) { p.closed = false; return p; }));
  r.add("path_length", unary<Path>([](const Path& p) {
    double n = 0;
    for (Lseg s : segments(p)) n += distance(s.a, s.b);
    return n;
  }));
  r.add("path_area", [](FnCall& c) {
    Path p = get<Path>(c.arg(0));
    if (!p.closed) return c.null();
    double a = 0;
    for (Lseg s : segments(p)) a += s.a.x * s.b.y - s.a.y * s.b.x;
    return Datum::from_double(std::fabs(a) / 2);
  });
  r.add("path_n_eq", binary<Path, Path>([](const Path& a, const Path& b) { return a.p.size() == b.p.size(); }));
  r.add("path_n_lt", binary<Path, Path>([](const Path& a, const Path& b) { return a.p.size() < b.p.size(); }));
  r.add("path_n_le", binary<Path, Path>([](const Path& a, const Path& b) { return a.p.size() <= b.p.size(); }));
  r.add("path_n_gt", binary<Path, Path>([](const Path& a, const Path& b) { return a.p.size() > b.p.size(); }));
  r.add("path_n_ge", binary<Path, Path>([](const Path& a, const Path& b) { return a.p.size() >= b.p.size(); }));
  r.add("path_add", [](FnCall& c) {
    Path a = get<Path>(c.arg(0)), b = get<Path>(c.arg(1));
    if (a.closed || b.closed) return c.null();
    a.p.insert(a.p.end(), b.p.begin(), b.p.end());
    return put(*c.arena, a);
  });
  r.add("path_add_pt", binary<Path, Point>([](Path p, Point q) { for (Point& x : p.p) x = add(x, q); return p; }));
  r.add("path_sub_pt", binary<Path, Point>([](Path p, Point q) { for (Point& x : p.p) x = sub(x, q); return p; }));
  r.add("path_mul_pt", binary<Path, Point>([](Path p, Point q) { for (Point& x : p.p) x = mul(x, q); return p; }));
  r.add("path_div_pt", binary<Path, Point>([](Path p, Point q) { for (Point& x : p.p) x = div(x, q); return p; }));
  r.add("path_inter", binary<Path, Path>([](const Path& a, const Path& b) {
    Point p;
    for (Lseg s : segments(a))
      for (Lseg t : segments(b))
        if (segment_meets(s, t, p)) return true;
    return false;
  }));
  r.add("path_distance", [](FnCall& c) {
    double v = paths_distance(get<Path>(c.arg(0)), get<Path>(c.arg(1)));
    return std::isinf(v) ? c.null() : Datum::from_double(v);
  });
  r.add("dist_ppath", binary<Point, Path>([](Point q, const Path& p) { return path_point(p, q); }));
  r.add("dist_pathp", binary<Path, Point>([](const Path& p, Point q) { return path_point(p, q); }));
  auto on_path = [](Point q, const Path& p) {
    if (p.closed) return inside(q, p) != 0;
    for (Lseg s : segments(p))
      if (on_segment(q, s)) return true;
    return false;
  };
  static const auto kOnPath = on_path;
  r.add("on_ppath", [](FnCall& c) { return Datum::from_bool(kOnPath(get<Point>(c.arg(0)), get<Path>(c.arg(1)))); });
  r.add("sql:path_contain_pt/path,point", [](FnCall& c) { return Datum::from_bool(kOnPath(get<Point>(c.arg(1)), get<Path>(c.arg(0)))); });
  r.add("path_poly", [](FnCall& c) {
    if (!get<Path>(c.arg(0)).closed) throw Error(ErrorCode::kInvalidParameterValue, "open path cannot be converted to polygon");
    return c.arg(0);
  });
}

void register_polygons(FunctionRegistry& r) {
  r.add("poly_same", binary<Path, Path>([](const Path& a, const Path& b) { return poly_same(a, b); }));
  r.add("poly_overlap", binary<Path, Path>([](const Path& a, const Path& b) { return poly_overlap(a, b); }));
  r.add("poly_contain", binary<Path, Path>([](const Path& a, const Path& b) { return poly_contain(a, b); }));
  r.add("poly_contained", binary<Path, Path>([](const Path& a, const Path& b) { return poly_contain(b, a); }));
  r.add("poly_contain_pt", binary<Path, Point>([](const Path& a, Point p) { return inside(p, a) != 0; }));
  r.add("pt_contained_poly", binary<Point, Path>([](Point p, const Path& a) { return inside(p, a) != 0; }));
  r.add("poly_left", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).high.x < bounds(b).low.x; }));
  r.add("poly_overleft", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).high.x <= bounds(b).high.x; }));
  r.add("poly_right", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).low.x > bounds(b).high.x; }));
  r.add("poly_overright", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).low.x >= bounds(b).low.x; }));
  r.add("poly_below", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).high.y < bounds(b).low.y; }));
  r.add("poly_overbelow", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).high.y <= bounds(b).high.y; }));
  r.add("poly_above", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).low.y > bounds(b).high.y; }));
  r.add("poly_overabove", binary<Path, Path>([](const Path& a, const Path& b) { return bounds(a).low.y >= bounds(b).low.y; }));
  r.add("poly_npoints", unary<Path>([](const Path& p) { return static_cast<int>(p.p.size()); }));
  r.add("poly_center", unary<Path>([](const Path& p) { return circle_of(p).center; }));
  r.add("poly_box", unary<Path>([](const Path& p) { return bounds(p); }));
  r.add("poly_path", unary<Path>([](Path p) { p.closed = true; return p; }));
  r.add("poly_circle", unary<Path>([](const Path& p) { return circle_of(p); }));
  r.add("poly_distance", binary<Path, Path>([](const Path& a, const Path& b) { return poly_overlap(a, b) ? 0.0 : paths_distance(a, b); }));
  r.add("dist_ppoly", binary<Point, Path>([](Point q, const Path& p) { return poly_point(p, q); }));
  r.add("dist_polyp", binary<Path, Point>([](const Path& p, Point q) { return poly_point(p, q); }));
  r.add("dist_cpoly", binary<Circle, Path>([](Circle c, const Path& p) { return std::max(0.0, poly_point(p, c.center) - c.radius); }));
  r.add("dist_polyc", binary<Path, Circle>([](const Path& p, Circle c) { return std::max(0.0, poly_point(p, c.center) - c.radius); }));
}

void register_circles(FunctionRegistry& r) {
  auto size = [](Circle c) { return M_PI * c.radius * c.radius; };
  static const auto kArea = size;
  r.add("circle_same", binary<Circle, Circle>([](Circle a, Circle b) { return eq(a.radius, b.radius) && same(a.center, b.center); }));
  r.add("circle_overlap", binary<Circle, Circle>([](Circle a, Circle b) { return le(distance(a.center, b.center), a.radius + b.radius); }));
  r.add("circle_left", binary<Circle, Circle>([](Circle a, Circle b) { return lt(a.center.x + a.radius, b.center.x - b.radius); }));
  r.add("circle_overleft", binary<Circle, Circle>([](Circle a, Circle b) { return le(a.center.x + a.radius, b.center.x + b.radius); }));
  r.add("circle_right", binary<Circle, Circle>([](Circle a, Circle b) { return gt(a.center.x - a.radius, b.center.x + b.radius); }));
  r.add("circle_overright", binary<Circle, Circle>([](Circle a, Circle b) { return ge(a.center.x - a.radius, b.center.x - b.radius); }));
  r.add("circle_below", binary<Circle, Circle>([](Circle a, Circle b) { return lt(a.center.y + a.radius, b.center.y - b.radius); }));
  r.add("circle_overbelow", binary<Circle, Circle>([](Circle a, Circle b) { return le(a.center.y + a.radius, b.center.y + b.radius); }));
  r.add("circle_above", binary<Circle, Circle>([](Circle a, Circle b) { return gt(a.center.y - a.radius, b.center.y + b.radius); }));
  r.add("circle_overabove", binary<Circle, Circle>([](Circle a, Circle b) { return ge(a.center.y - a.radius, b.center.y - b.radius); }));
  r.add("circle_contained", binary<Circle, Circle>([](Circle a, Circle b) { return le(distance(a.center, b.center), b.radius - a.radius); }));
  r.add("circle_contain", binary<Circle, Circle>([](Circle a, Circle b) { return le(distance(a.center, b.center), a.radius - b.radius); }));
  r.add("circle_eq", binary<Circle, Circle>([](Circle a, Circle b) { return eq(kArea(a), kArea(b)); }));
  r.add("circle_ne", binary<Circle, Circle>([](Circle a, Circle b) { return !eq(kArea(a), kArea(b)); }));
  r.add("circle_lt", binary<Circle, Circle>([](Circle a, Circle b) { return lt(kArea(a), kArea(b)); }));
  r.add("circle_le", binary<Circle, Circle>([](Circle a, Circle b) { return le(kArea(a), kArea(b)); }));
  r.add("circle_gt", binary<Circle, Circle>([](Circle a, Circle b) { return gt(kArea(a), kArea(b)); }));
  r.add("circle_ge", binary<Circle, Circle>([](Circle a, Circle b) { return ge(kArea(a), kArea(b)); }));
  r.add("circle_area", unary<Circle>([](Circle c) { return kArea(c); }));
  r.add("circle_diameter", unary<Circle>([](Circle c) { return 2 * c.radius; }));
  r.add("circle_radius", unary<Circle>([](Circle c) { return c.radius; }));
  r.add("circle_center", unary<Circle>([](Circle c) { return c.center; }));
  r.add("circle_distance", binary<Circle, Circle>([](Circle a, Circle b) { return std::max(0.0, distance(a.center, b.center) - (a.radius + b.radius)); }));
  r.add("dist_pc", binary<Point, Circle>([](Point p, Circle c) { return std::max(distance(p, c.center) - c.radius, 0.0); }));
  r.add("dist_cpoint", binary<Circle, Point>([](Circle c, Point p) { return std::max(distance(p, c.center) - c.radius, 0.0); }));
  r.add("circle_contain_pt", binary<Circle, Point>([](Circle c, Point p) { return distance(p, c.center) <= c.radius; }));
  r.add("pt_contained_circle", binary<Point, Circle>([](Point p, Circle c) { return distance(p, c.center) <= c.radius; }));
  r.add("circle_add_pt", binary<Circle, Point>([](Circle c, Point p) { return Circle{add(c.center, p), c.radius}; }));
  r.add("circle_sub_pt", binary<Circle, Point>([](Circle c, Point p) { return Circle{sub(c.center, p), c.radius}; }));
  r.add("circle_mul_pt", binary<Circle, Point>([](Circle c, Point p) { return Circle{mul(c.center, p), c.radius * hypotenuse(p.x, p.y)}; }));
  r.add("circle_div_pt", binary<Circle, Point>([](Circle c, Point p) { return Circle{div(c.center, p), c.radius / hypotenuse(p.x, p.y)}; }));
  r.add("circle_box", unary<Circle>([](Circle c) {
    double d = c.radius / std::sqrt(2.0);
    return Box{{c.center.x + d, c.center.y + d}, {c.center.x - d, c.center.y - d}};
  }));
  r.add("circle_poly", [](FnCall& c) { return put(*c.arena, circle_polygon(c.int_arg(0), get<Circle>(c.arg(1)))); });
  r.add("sql:polygon/circle", [](FnCall& c) { return put(*c.arena, circle_polygon(12, get<Circle>(c.arg(0)))); });
}

}  // namespace

void register_geometry_types(TypeTable& t) {
  t.io(oid::kPoint, {point_in, point_out, doubles_recv<2>, doubles_send});
  t.io(kLseg, {lseg_in, lseg_out, doubles_recv<4>, doubles_send});
  t.io(kBox, {box_in, box_out, doubles_recv<4>, doubles_send});
  t.io(kLine, {line_in, line_out, doubles_recv<3>, doubles_send});
  t.io(kCircle, {circle_in, circle_out, doubles_recv<3>, doubles_send});
  t.io(kPath, {path_in, path_out, points_recv<true>, points_send<true>});
  t.io(kPolygon, {poly_in, path_out, points_recv<false>, points_send<false>});
}

void register_geometry_functions(FunctionRegistry& r) {
#define STELE_IO(name, in, out, recv, send)        \
  r.add(name "_in", &input_function<in>);          \
  r.add(name "_out", &output_function<out>);       \
  r.add(name "_recv", (&input_function<recv>));    \
  r.add(name "_send", (&output_function<send>));
  STELE_IO("point", point_in, point_out, doubles_recv<2>, doubles_send)
  STELE_IO("lseg", lseg_in, lseg_out, doubles_recv<4>, doubles_send)
  STELE_IO("box", box_in, box_out, doubles_recv<4>, doubles_send)
  STELE_IO("line", line_in, line_out, doubles_recv<3>, doubles_send)
  STELE_IO("circle", circle_in, circle_out, doubles_recv<3>, doubles_send)
  STELE_IO("path", path_in, path_out, points_recv<true>, points_send<true>)
  STELE_IO("poly", poly_in, path_out, points_recv<false>, points_send<false>)
#undef STELE_IO
  register_points(r);
  register_segments(r);
  register_boxes(r);
  register_paths(r);
  register_polygons(r);
  register_circles(r);
}

}  // namespace stele
