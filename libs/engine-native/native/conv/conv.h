// Float32 2-D convolution on NHWC activations and HWIO filters, all dense and row-major.
//
// The algorithm is a function of the shape and the CPU's instruction set only, never of a
// measurement. forward and backward_input give every image the same bits whatever the batch size,
// its place in the batch and the number of threads; backward_filter sums over the batch in an order
// fixed by the shape and the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "workspace.h"

namespace percept::conv {

struct Conv2dShape {
  int batch, in_h, in_w, in_c;
  int out_h, out_w, out_c;
  int kernel_h, kernel_w;
  int stride_h, stride_w;
  int pad_top, pad_left;  // bottom and right padding follow from out_h and out_w
  int dilation_h, dilation_w;
};

enum class Direction { forward, backward_input, backward_filter };

enum class Isa { portable, avx2, avx512 };

// In what a packed filter is kept: float32, or its elements rounded to the nearest bfloat16 (8 bits of
// significand) in the domain they are packed in, Winograd's where the plan is Winograd's. Products and
// sums are float32 in either. A filter of an image's few channels stays float32 in the backward
// direction where the planar kernel serves it.
enum class Precision { float32, bfloat16 };

// Applied to x while it is loaded: x' = relu(x * scale + shift), channel by channel; the spatial
// padding stays zero. Holds for forward and backward_filter.
struct Prologue {
  const float* scale = nullptr;  // [in_c], or null for 1
  const float* shift = nullptr;  // [in_c], or null for 0
  bool relu = false;

  bool active() const { return scale != nullptr || shift != nullptr || relu; }
};

// Applied to the result r (y or dx) before it is stored, in this order:
//   gate: r = (gate * gate_scale + gate_shift > 0) ? r * gate_scale : 0
//         (the backward pass of the Prologue with relu; null scale and shift mean 1 and 0)
//   add:  r = r + add
// gate and add have the result's shape; add may be the result's own buffer. gate_scale and
// gate_shift have the result's channel count and are read only with gate.
struct Epilogue {
  const float* add = nullptr;
  const float* gate = nullptr;
  const float* gate_scale = nullptr;
  const float* gate_shift = nullptr;

  bool active() const { return add != nullptr || gate != nullptr; }
};

// Filters in the form one plan reads them, kept between calls. One object serves one layer and one
// direction; a call repacks it when the version, the shape (batch aside), the direction or the
// precision differs.
// The caller changes `version` whenever the filter's values change.
class PackedFilter {
 public:
  bool matches(const Conv2dShape& shape, Direction direction, Isa isa, Precision precision,
               uint64_t version) const;
  // Returns room for `floats` floats, 64-byte aligned, and takes the new identity.
  void* renew(const Conv2dShape& shape, Direction direction, Isa isa, Precision precision,
              uint64_t version, size_t floats);
  const void* data() const { return buffer_.data(); }
  size_t bytes() const { return buffer_.capacity() * sizeof(float); }

 private:
  AlignedBuffer buffer_;
  Conv2dShape shape_{};
  Direction direction_ = Direction::forward;
  Isa isa_ = Isa::portable;
  Precision precision_ = Precision::float32;
  uint64_t version_ = 0;
  bool valid_ = false;
};

struct Options {
  int threads = 1;
  Prologue prologue;
  Epilogue epilogue;
  PackedFilter* packed = nullptr;  // forward and backward_input only
  uint64_t version = 0;            // of the filter's values; read only with `packed`
  Precision precision = Precision::float32;  // forward and backward_input only
};

// Whether the shape is one the kernels compute: positive sizes, non-negative padding, and products
// that fit the index types. Everything else is undefined in the calls below.
bool supported(const Conv2dShape& shape);

// y[n,oh,ow,oc] = sum over kh,kw,ic of x'[n, oh*stride+kh*dilation-pad, ..., ic] * w[kh,kw,ic,oc].
// Throws std::bad_alloc when the workspace cannot grow.
void forward(const Conv2dShape& shape, const float* x, const float* w, float* y,
             Workspace& workspace, const Options& options);
// dx = the adjoint of forward in x (without the prologue), applied to dy.
void backward_input(const Conv2dShape& shape, const float* dy, const float* w, float* dx,
                    Workspace& workspace, const Options& options);
// dw = the adjoint of forward in w, applied to dy; the epilogue is not used.
void backward_filter(const Conv2dShape& shape, const float* x, const float* dy, float* dw,
                     Workspace& workspace, const Options& options);

// Brings `packed` up to date for forward or backward_input calls with this shape (of any batch) and
// version, which then only read it: calls on several threads may share it.
void pack(const Conv2dShape& shape, Direction direction, const float* w, PackedFilter& packed,
          uint64_t version, Precision precision, Workspace& workspace, int threads);

inline void forward(const Conv2dShape& shape, const float* x, const float* w, float* y,
                    Workspace& workspace, int threads) {
  Options options;
  options.threads = threads;
  forward(shape, x, w, y, workspace, options);
}
inline void backward_input(const Conv2dShape& shape, const float* dy, const float* w, float* dx,
                           Workspace& workspace, int threads) {
  Options options;
  options.threads = threads;
  backward_input(shape, dy, w, dx, workspace, options);
}
inline void backward_filter(const Conv2dShape& shape, const float* x, const float* dy, float* dw,
                            Workspace& workspace, int threads) {
  Options options;
  options.threads = threads;
  backward_filter(shape, x, dy, dw, workspace, options);
}

// The algorithm used, for example "winograd4x4_avx512" or "direct_avx512".
const char* plan_name(const Conv2dShape& shape, Direction direction);

// The best instruction set of this CPU that the library was built for, or the lower one set below.
Isa active_isa();
// Lowers (never raises) the instruction set for tests; not safe while another thread convolves.
void limit_isa(Isa isa);

}  // namespace percept::conv
