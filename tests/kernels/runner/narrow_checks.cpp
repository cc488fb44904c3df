#include "narrow_checks.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/names.h"
#include "guarded_buffer.h"

namespace fastconv::runner {

namespace {

template <class T>
class NarrowChecks {
 public:
  NarrowChecks(const NarrowTable<T>& table, Report& report)
      : vec_(table), report_(report), width_(table.width) {}

  void run() {
    every_number();
    rounding();
    for (Guard guard : {Guard::after, Guard::before}) {
      strided(guard);
      for (int n = 0; n <= width_; ++n) first(guard, n);
      for (int lo = 0; lo <= width_; ++lo)
        for (int hi = lo; hi <= width_; ++hi) range(guard, lo, hi);
      for (int lo = 0; lo <= 2 * width_; ++lo)
        for (int hi = lo; hi <= 2 * width_; ++hi) strided_range(guard, lo, hi);
    }
  }

 private:
  using Lanes = std::vector<float>;

  std::size_t bytes(int elements) const { return static_cast<std::size_t>(elements) * sizeof(T); }
  Lanes lanes() const { return Lanes(static_cast<std::size_t>(width_)); }

  // Small whole numbers are the same in every type.
  static T number(int i) { return Narrowed<T>::of(static_cast<float>(i + 1)); }

  // Memory of elements lo to hi-1, and where element 0 would be.
  struct Piece {
    GuardedBuffer memory;
    T* origin;
  };
  Piece piece(Guard guard, int lo, int hi) const {
    Piece made{GuardedBuffer(bytes(hi - lo), guard), nullptr};
    made.origin =
        reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(made.memory.data()) - bytes(lo));
    return made;
  }
  void fill(const Piece& at, int lo, int hi) const {
    for (int i = lo; i < hi; ++i) {
      const T value = number(i);
      std::memcpy(at.memory.template as<T>() + (i - lo), &value, sizeof(T));
    }
  }

  void expect(const Lanes& got, int step, int lo, int hi, const std::string& what) {
    bool same = true;
    for (int i = 0; i < width_; ++i) {
      const bool inside = i * step >= lo && i * step < hi;
      same = same &&
             got[static_cast<std::size_t>(i)] == (inside ? static_cast<float>(i * step + 1) : 0.0f);
    }
    report_.check(same, what + " " + std::to_string(lo) + ".." + std::to_string(hi));
  }

  void every_number() {
    bool same = true;
    for (int start = 0; start < 1 << 16; start += width_) {
      std::vector<T> memory(static_cast<std::size_t>(width_));
      for (int i = 0; i < width_; ++i)
        memory[static_cast<std::size_t>(i)].bits = static_cast<std::uint16_t>(start + i);
      Lanes out = lanes();
      vec_.load(memory.data(), out.data());
      for (std::size_t i = 0; i < out.size(); ++i) {
        const float want = widen(memory[i]);
        same = same && (std::isnan(want) ? std::isnan(out[i])
                                         : std::bit_cast<std::uint32_t>(out[i]) ==
                                               std::bit_cast<std::uint32_t>(want));
      }
    }
    report_.check(same, "load of every number");
  }

  // Every number, half way to the next, and the floats beside both.
  void rounding() {
    bool same = true;
    Lanes values;
    for (int bits = 0; bits < 1 << 16; ++bits) {
      const float low = widen(T{static_cast<std::uint16_t>(bits)});
      const float high = widen(T{static_cast<std::uint16_t>(bits + 1)});
      for (const float centre : {low, std::isfinite(high) ? low / 2 + high / 2 : low * 1.0001f}) {
        values.push_back(centre);
        values.push_back(std::nextafter(centre, INFINITY));
        values.push_back(std::nextafter(centre, -INFINITY));
      }
    }
    while (values.size() % static_cast<std::size_t>(width_) != 0) values.push_back(0.0f);
    std::vector<T> out(static_cast<std::size_t>(width_));
    for (std::size_t at = 0; at < values.size(); at += out.size()) {
      vec_.store(out.data(), values.data() + at);
      for (std::size_t i = 0; i < out.size(); ++i) {
        const T want = Narrowed<T>::of(values[at + i]);
        same = same && (out[i].bits == want.bits ||
                        (std::isnan(values[at + i]) && std::isnan(widen(out[i]))));
      }
    }
    report_.check(same, "rounding");
  }

  void strided(Guard guard) {
    const int reach = 2 * width_ - 1;
    const Piece at = piece(guard, 0, reach);
    fill(at, 0, reach);
    Lanes out = lanes();
    vec_.load_step2(at.origin, out.data());
    expect(out, 2, 0, reach, "load_step2");
  }

  void first(Guard guard, int n) {
    const Piece at = piece(guard, 0, n);
    fill(at, 0, n);
    Lanes out = lanes();
    vec_.load_first(at.origin, n, out.data());
    expect(out, 1, 0, n, "load_first");
    stored(
        piece(guard, 0, n), 0, n, [&](T* to, const float* a) { vec_.store_first(to, a, n); },
        "store_first");
  }

  void range(Guard guard, int lo, int hi) {
    const Piece at = piece(guard, lo, hi);
    fill(at, lo, hi);
    Lanes out = lanes();
    vec_.load_masked(at.origin, lo, hi, out.data());
    expect(out, 1, lo, hi, "load_masked");
    stored(
        piece(guard, lo, hi), lo, hi,
        [&](T* to, const float* a) { vec_.store_range(to, a, lo, hi); }, "store_range");
  }

  void strided_range(Guard guard, int lo, int hi) {
    const Piece at = piece(guard, lo, hi);
    fill(at, lo, hi);
    Lanes out = lanes();
    vec_.load_step2_masked(at.origin, lo, hi, out.data());
    expect(out, 2, lo, hi, "load_step2_masked");
  }

  template <class Store>
  void stored(const Piece& at, int lo, int hi, const Store& store, const std::string& what) {
    Lanes values = lanes();
    for (int i = 0; i < width_; ++i)
      values[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
    store(at.origin, values.data());
    bool same = true;
    for (int i = lo; i < hi; ++i)
      same = same && at.memory.template as<T>()[i - lo].bits == number(i).bits;
    at.memory.erase(0, at.memory.bytes());
    report_.check(same && at.memory.only_filler(),
                  what + " " + std::to_string(lo) + ".." + std::to_string(hi));
  }

  const NarrowTable<T>& vec_;
  Report& report_;
  int width_;
};

}  // namespace

void check_narrow(Isa isa, const NarrowTables& tables, Report& report) {
  report.group(std::string("vec ") + isa_name(isa) + " float16");
  NarrowChecks<Half>(*tables.float16, report).run();
  report.group(std::string("vec ") + isa_name(isa) + " bfloat16");
  NarrowChecks<BFloat16>(*tables.bfloat16, report).run();
}

}  // namespace fastconv::runner
