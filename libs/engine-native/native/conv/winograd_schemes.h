// The one-dimensional transforms of Winograd's convolutions, written over `Vector` as winograd_impl.h is, and the
// schemes that two of them nested make.
//
// With M(x) the product of (x - p) over the points p: input rows hold the coefficients of M(x) / (x - p), filter
// rows the powers of p over the derivative M'(p), output columns the powers of p.
#pragma once

namespace percept::conv {

namespace {

using V = Vector::Float;

inline V load(const float* p) { return Vector::load(p); }
inline void store(float* p, V v) { Vector::store(p, v); }
inline V splat(double value) { return Vector::splat(static_cast<float>(value)); }
inline V fma(V a, V b, V c) { return Vector::fma(a, b, c); }
inline V fnma(V a, V b, V c) { return Vector::fnma(a, b, c); }
inline V add(V a, V b) { return Vector::add(a, b); }
inline V sub(V a, V b) { return Vector::sub(a, b); }
inline V mul(V a, V b) { return Vector::mul(a, b); }

// A filter of stride 1: F(4, 3) at 0, +-a, +-b and infinity.
struct UnitStride {
  static constexpr int kPatch = 6;    // inputs of a tile
  static constexpr int kPoints = 6;   // products of a tile
  static constexpr int kOut = 4;      // outputs of a tile
  static constexpr int kAdvance = 4;  // inputs from a tile to the next
  static constexpr int kFilters = 6;  // different transformed filters among the products
  static constexpr int kRunTiles = 256;  // of a run of which every thread computes a part
  static constexpr int filter_of(int point) { return point; }

  static constexpr double kA = 0.65;
  static constexpr double kB = 1.55;
  static constexpr double kA2 = kA * kA;
  static constexpr double kB2 = kB * kB;
  static constexpr double kN0 = kA2 * kB2;
  static constexpr double kNa = 2.0 * kA2 * (kA2 - kB2);
  static constexpr double kNb = 2.0 * kB2 * (kB2 - kA2);

  // t = B^T d
  static void input(const V d[6], V t[6]) {
    const V sum = splat(kA2 + kB2);
    const V product = splat(kA2 * kB2);
    t[0] = fma(product, d[0], fnma(sum, d[2], d[4]));
    t[5] = fma(product, d[1], fnma(sum, d[3], d[5]));
    const V even_a = fnma(splat(kB2), d[2], d[4]);
    const V odd_a = fnma(splat(kB2), d[1], d[3]);
    t[1] = fma(splat(kA), odd_a, even_a);
    t[2] = fnma(splat(kA), odd_a, even_a);
    const V even_b = fnma(splat(kA2), d[2], d[4]);
    const V odd_b = fnma(splat(kA2), d[1], d[3]);
    t[3] = fma(splat(kB), odd_b, even_b);
    t[4] = fnma(splat(kB), odd_b, even_b);
  }

  // y = A^T m
  static void output(const V m[6], V y[4]) {
    const V even_a = add(m[1], m[2]);
    const V odd_a = sub(m[1], m[2]);
    const V even_b = add(m[3], m[4]);
    const V odd_b = sub(m[3], m[4]);
    y[0] = add(m[0], add(even_a, even_b));
    y[1] = fma(splat(kA), odd_a, mul(splat(kB), odd_b));
    y[2] = fma(splat(kA2), even_a, mul(splat(kB2), even_b));
    y[3] = fma(splat(kA2 * kA), odd_a, fma(splat(kB2 * kB), odd_b, m[5]));
  }

  // z = A y, the adjoint of output
  static void output_adjoint(const V y[4], V z[6]) {
    z[0] = y[0];
    const V even_a = fma(splat(kA2), y[2], y[0]);
    const V odd_a = fma(splat(kA2), y[3], y[1]);
    z[1] = fma(splat(kA), odd_a, even_a);
    z[2] = fnma(splat(kA), odd_a, even_a);
    const V even_b = fma(splat(kB2), y[2], y[0]);
    const V odd_b = fma(splat(kB2), y[3], y[1]);
    z[3] = fma(splat(kB), odd_b, even_b);
    z[4] = fnma(splat(kB), odd_b, even_b);
    z[5] = y[3];
  }

  // u = G g
  static void filter(const V g[3], V u[6]) {
    u[0] = mul(splat(1.0 / kN0), g[0]);
    const V even_a = mul(splat(1.0 / kNa), fma(splat(kA2), g[2], g[0]));
    const V odd_a = mul(splat(kA / kNa), g[1]);
    u[1] = add(even_a, odd_a);
    u[2] = sub(even_a, odd_a);
    const V even_b = mul(splat(1.0 / kNb), fma(splat(kB2), g[2], g[0]));
    const V odd_b = mul(splat(kB / kNb), g[1]);
    u[3] = add(even_b, odd_b);
    u[4] = sub(even_b, odd_b);
    u[5] = g[2];
  }

  // g = G^T u, the adjoint of filter
  static void filter_adjoint(const V u[6], V g[3]) {
    const V even_a = mul(splat(1.0 / kNa), add(u[1], u[2]));
    const V odd_a = sub(u[1], u[2]);
    const V even_b = mul(splat(1.0 / kNb), add(u[3], u[4]));
    const V odd_b = sub(u[3], u[4]);
    g[0] = fma(splat(1.0 / kN0), u[0], add(even_a, even_b));
    g[1] = fma(splat(kA / kNa), odd_a, mul(splat(kB / kNb), odd_b));
    g[2] = fma(splat(kA2), even_a, fma(splat(kB2), even_b, u[5]));
  }
};

// A filter of two taps: F(4, 2) at +-c, +-d and infinity.
struct TwoTaps {
  static constexpr double kC = 0.4;
  static constexpr double kD = 1.3;
  static constexpr double kC2 = kC * kC;
  static constexpr double kD2 = kD * kD;
  static constexpr double kNc = 2.0 * kC * (kC2 - kD2);
  static constexpr double kNd = 2.0 * kD * (kD2 - kC2);

  static void input(V d0, V d1, V d2, V d3, V d4, V t[5]) {
    t[4] = fma(splat(kC2 * kD2), d0, fnma(splat(kC2 + kD2), d2, d4));
    const V odd_c = fnma(splat(kD2), d1, d3);
    const V even_c = fnma(splat(kD2), d0, d2);
    t[0] = fma(splat(kC), even_c, odd_c);
    t[1] = fnma(splat(kC), even_c, odd_c);
    const V odd_d = fnma(splat(kC2), d1, d3);
    const V even_d = fnma(splat(kC2), d0, d2);
    t[2] = fma(splat(kD), even_d, odd_d);
    t[3] = fnma(splat(kD), even_d, odd_d);
  }

  static void output(const V m[5], V y[4]) {
    const V even_c = add(m[0], m[1]);
    const V odd_c = sub(m[0], m[1]);
    const V even_d = add(m[2], m[3]);
    const V odd_d = sub(m[2], m[3]);
    y[0] = add(even_c, even_d);
    y[1] = fma(splat(kC), odd_c, mul(splat(kD), odd_d));
    y[2] = fma(splat(kC2), even_c, mul(splat(kD2), even_d));
    y[3] = fma(splat(kC2 * kC), odd_c, fma(splat(kD2 * kD), odd_d, m[4]));
  }

  static void output_adjoint(const V y[4], V z[5]) {
    const V even_c = fma(splat(kC2), y[2], y[0]);
    const V odd_c = fma(splat(kC2), y[3], y[1]);
    z[0] = fma(splat(kC), odd_c, even_c);
    z[1] = fnma(splat(kC), odd_c, even_c);
    const V even_d = fma(splat(kD2), y[2], y[0]);
    const V odd_d = fma(splat(kD2), y[3], y[1]);
    z[2] = fma(splat(kD), odd_d, even_d);
    z[3] = fnma(splat(kD), odd_d, even_d);
    z[4] = y[3];
  }

  static void filter(V g0, V g1, V u[5]) {
    const V even_c = mul(splat(1.0 / kNc), g0);
    const V odd_c = mul(splat(kC / kNc), g1);
    u[0] = add(odd_c, even_c);
    u[1] = sub(odd_c, even_c);
    const V even_d = mul(splat(1.0 / kNd), g0);
    const V odd_d = mul(splat(kD / kNd), g1);
    u[2] = add(odd_d, even_d);
    u[3] = sub(odd_d, even_d);
    u[4] = g1;
  }

  static void filter_adjoint(const V u[5], V& g0, V& g1) {
    g0 = fma(splat(1.0 / kNc), sub(u[0], u[1]), mul(splat(1.0 / kNd), sub(u[2], u[3])));
    g1 = fma(splat(kC / kNc), add(u[0], u[1]), fma(splat(kD / kNd), add(u[2], u[3]), u[4]));
  }
};

// A 3-tap filter at stride 2, by phases: its outer taps make a filter of two taps on every other input, its middle
// one a product with those between. 81 products in two dimensions where the direct sum has 144; the products of the
// middle tap share its filter.
struct Phases {
  static constexpr int kPoints = 9;
  static constexpr int kFilters = 6;
  static constexpr int kRunTiles = 64;
  static constexpr int filter_of(int point) { return point < 5 ? point : 5; }

  static void filter(const V g[3], V u[6]) {
    TwoTaps::filter(g[0], g[2], u);
    u[5] = g[1];
  }
  static void filter_adjoint(const V u[6], V g[3]) {
    TwoTaps::filter_adjoint(u, g[0], g[2]);
    g[1] = u[5];
  }
};

// The convolution of stride 2.
struct Down : Phases {
  static constexpr int kPatch = 9;
  static constexpr int kOut = 4;
  static constexpr int kAdvance = 8;

  static void input(const V d[9], V t[9]) {
    TwoTaps::input(d[0], d[2], d[4], d[6], d[8], t);
    for (int i = 0; i < 4; ++i) t[5 + i] = d[2 * i + 1];
  }
  static void output(const V m[9], V y[4]) {
    TwoTaps::output(m, y);
    for (int i = 0; i < 4; ++i) y[i] = add(y[i], m[5 + i]);
  }
  static void output_adjoint(const V y[4], V z[9]) {
    TwoTaps::output_adjoint(y, z);
    for (int i = 0; i < 4; ++i) z[5 + i] = y[i];
  }
};

// Its adjoint in the input, with one row and column of padding: outputs at even places have the middle tap only.
struct Up : Phases {
  static constexpr int kPatch = 5;
  static constexpr int kOut = 8;
  static constexpr int kAdvance = 4;

  static void input(const V d[5], V t[9]) {
    TwoTaps::input(d[0], d[1], d[2], d[3], d[4], t);
    for (int i = 0; i < 4; ++i) t[5 + i] = d[i];
  }
  static void output(const V m[9], V y[8]) {
    V odd[4];
    TwoTaps::output(m, odd);
    for (int i = 0; i < 4; ++i) {
      y[2 * i] = m[5 + i];
      y[2 * i + 1] = odd[i];
    }
  }
};

template <class Scheme>
constexpr int kPositionsOf = Scheme::kPoints * Scheme::kPoints;
template <class Scheme>
constexpr int kFiltersOf = Scheme::kFilters * Scheme::kFilters;

// The transformed filter that a position's products take.
template <class Scheme>
constexpr int filter_at(int position) {
  return Scheme::filter_of(position / Scheme::kPoints) * Scheme::kFilters +
         Scheme::filter_of(position % Scheme::kPoints);
}

}  // namespace
}  // namespace percept::conv
