#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace percept {

/** A float array that JavaScript owns. */
struct Floats {
  float* data;
  size_t length;
};

/** An int32 array that JavaScript owns. */
struct Integers {
  const int32_t* data;
  size_t length;
};

/** The checked arguments of one call from JavaScript; every getter throws std::invalid_argument on a wrong type or size. */
class Arguments {
 public:
  static constexpr size_t maximum = 40;

  Arguments(napi_env env, napi_callback_info info) : env_(env), count_(maximum) {
    if (napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr) != napi_ok) fail(0, "cannot be read");
    if (count_ > maximum) fail(maximum, "is one too many");
  }

  size_t count() const { return count_; }
  napi_env env() const { return env_; }

  bool absent(size_t index) const {
    if (index >= count_) return true;
    napi_valuetype type;
    check(index, napi_typeof(env_, values_[index], &type));
    return type == napi_undefined || type == napi_null;
  }

  double number(size_t index) const {
    double value;
    check(index, napi_get_value_double(env_, at(index), &value));
    return value;
  }

  int integer(size_t index) const {
    const double value = number(index);
    const int result = static_cast<int>(value);
    if (static_cast<double>(result) != value) fail(index, "must be an integer");
    return result;
  }

  /** A number of elements, a side or a stride: never negative. */
  int size(size_t index) const {
    const int value = integer(index);
    if (value < 0) fail(index, "must not be negative");
    return value;
  }

  bool flag(size_t index) const {
    bool value;
    check(index, napi_get_value_bool(env_, at(index), &value));
    return value;
  }

  Floats floats(size_t index) const {
    const Array array = typed(index, napi_float32_array);
    return {static_cast<float*>(array.data), array.length};
  }

  /** A float array of at least `length` elements. */
  float* floats(size_t index, size_t length) const {
    const Floats array = floats(index);
    if (array.length < length) {
      fail(index, "holds " + std::to_string(array.length) + " floats where " + std::to_string(length) + " are needed");
    }
    return array.data;
  }

  /** Like `floats`, or null where the argument is absent. */
  float* optionalFloats(size_t index, size_t length) const { return absent(index) ? nullptr : floats(index, length); }

  Integers integers(size_t index) const {
    const Array array = typed(index, napi_int32_array);
    return {static_cast<const int32_t*>(array.data), array.length};
  }

  /** A float64 array of exactly `length` elements. */
  const double* doubles(size_t index, size_t length) const {
    const Array array = typed(index, napi_float64_array);
    if (array.length != length) fail(index, "must hold " + std::to_string(length) + " numbers");
    return static_cast<const double*>(array.data);
  }

  /** The float arrays in a JavaScript array. */
  std::vector<Floats> floatLists(size_t index) const {
    uint32_t count;
    check(index, napi_get_array_length(env_, at(index), &count));
    std::vector<Floats> lists(count);
    for (uint32_t i = 0; i < count; i++) {
      napi_value element;
      check(index, napi_get_element(env_, at(index), i, &element));
      const Array array = typedValue(index, element, napi_float32_array);
      lists[i] = {static_cast<float*>(array.data), array.length};
    }
    return lists;
  }

  [[noreturn]] static void fail(size_t index, const std::string& what) {
    throw std::invalid_argument("argument " + std::to_string(index) + " " + what);
  }

 private:
  struct Array {
    void* data;
    size_t length;
  };

  napi_value at(size_t index) const {
    if (index >= count_) fail(index, "is missing");
    return values_[index];
  }

  Array typed(size_t index, napi_typedarray_type wanted) const { return typedValue(index, at(index), wanted); }

  Array typedValue(size_t index, napi_value value, napi_typedarray_type wanted) const {
    napi_typedarray_type type;
    Array array{};
    check(index, napi_get_typedarray_info(env_, value, &type, &array.length, &array.data, nullptr, nullptr));
    if (type != wanted) fail(index, "is a typed array of another type");
    return array;
  }

  static void check(size_t index, napi_status status) {
    if (status != napi_ok) fail(index, "has the wrong type");
  }

  napi_env env_;
  size_t count_;
  napi_value values_[maximum];
};

}  // namespace percept
