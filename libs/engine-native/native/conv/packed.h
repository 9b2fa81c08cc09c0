// A filter in the form one plan reads it: elements in float32, or in bfloat16, the upper half of a
// float32. Everything that computes has internal linkage, as in the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "conv.h"

namespace percept::conv {

struct Bfloat16 {
  uint16_t bits;
};

struct PackedView {
  const void* elements;
  Precision precision;

  template <class Element>
  const Element* as() const {
    return static_cast<const Element*>(elements);
  }
};

constexpr size_t element_bytes(Precision precision) {
  return precision == Precision::bfloat16 ? sizeof(Bfloat16) : sizeof(float);
}
// Floats that take up as much room.
constexpr size_t packed_floats(size_t elements, Precision precision) {
  return (elements * element_bytes(precision) + sizeof(float) - 1) / sizeof(float);
}

namespace {

inline void assign(float& element, float value) { element = value; }

// To the nearest, ties to even; a NaN stays one.
inline void assign(Bfloat16& element, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  element.bits = static_cast<uint16_t>((nan ? bits | 0x400000 : rounded) >> 16);
}

// body(an element's null pointer) of the precision's element type.
template <class Body>
void with_element(Precision precision, const Body& body) {
  if (precision == Precision::bfloat16) {
    body(static_cast<Bfloat16*>(nullptr));
  } else {
    body(static_cast<float*>(nullptr));
  }
}

}  // namespace
}  // namespace percept::conv
