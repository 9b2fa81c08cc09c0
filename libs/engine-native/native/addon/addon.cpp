#include <node_api.h>
#include <omp.h>

#include <exception>
#include <memory>
#include <new>

#include "bindings.h"
#include "float-memory.h"
#include "kernels.h"

namespace percept {
namespace {

EngineState& stateOf(napi_env env) {
  void* state = nullptr;
  napi_get_instance_data(env, &state);
  return *static_cast<EngineState*>(state);
}

/** Runs body and turns what it throws into a JavaScript Error; no C++ exception crosses into Node. */
template <class Body>
napi_value guarded(napi_env env, Body body) {
  try {
    return body();
  } catch (const std::invalid_argument& error) {
    napi_throw_range_error(env, nullptr, error.what());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, nullptr, "the native engine is out of memory");
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  } catch (...) {
    napi_throw_error(env, nullptr, "the native engine failed");
  }
  return nullptr;
}

napi_value callBinding(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    void* data = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    const Arguments arguments(env, info);
    static_cast<const NamedBinding*>(data)->binding(arguments, stateOf(env));
    return nullptr;
  });
}

/** configure(threads) */
napi_value configure(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info);
    const int threads = arguments.integer(0);
    if (threads < 1 || threads > 1024) Arguments::fail(0, "must be a number of threads");
    stateOf(env).threads = threads;
    // oneDNN takes the calling thread's own setting.
    omp_set_num_threads(threads);
    return nullptr;
  });
}

// The hint is the array's size.
void releaseFloats(napi_env, void* data, void* bytes) {
  FloatMemory::free(data, reinterpret_cast<uintptr_t>(bytes));
}

/** allocate(length): a Float32Array on a cache line's boundary, its values undefined. */
napi_value allocate(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info);
    const size_t length = static_cast<size_t>(arguments.size(0));
    const size_t bytes = length * sizeof(float);
    void* data = FloatMemory::allocate(bytes);
    napi_value buffer;
    napi_value array;
    if (napi_create_external_arraybuffer(env, data, bytes, releaseFloats,
                                         reinterpret_cast<void*>(uintptr_t{bytes}),
                                         &buffer) != napi_ok) {
      FloatMemory::free(data, bytes);
      throw std::runtime_error("external array buffers are not allowed here");
    }
    if (napi_create_typedarray(env, napi_float32_array, length, buffer, 0, &array) != napi_ok) {
      throw std::runtime_error("a typed array cannot be created");
    }
    return array;
  });
}

/** keptBytes(): what the kernels of this thread keep beside the arrays: scratch and packed filters. */
napi_value keptBytes(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    napi_value bytes;
    napi_create_double(env, static_cast<double>(stateOf(env).keptBytes()), &bytes);
    return bytes;
  });
}

void set(napi_env env, napi_value exports, const char* name, napi_callback callback, const void* data) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, const_cast<void*>(data), &function);
  napi_set_named_property(env, exports, name, function);
}

void setText(napi_env env, napi_value exports, const char* name, const char* text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, exports, name, value);
}

void setAll(napi_env env, napi_value exports, const NamedBinding* bindings, size_t count) {
  for (size_t i = 0; i < count; i++) set(env, exports, bindings[i].name, callBinding, &bindings[i]);
}

napi_value initialise(napi_env env, napi_value exports) {
  return guarded(env, [&]() -> napi_value {
    auto state = std::make_unique<EngineState>();
    napi_set_instance_data(
        env, state.release(), [](napi_env, void* data, void*) { delete static_cast<EngineState*>(data); }, nullptr);
    set(env, exports, "configure", configure, nullptr);
    set(env, exports, "allocate", allocate, nullptr);
    set(env, exports, "keptBytes", keptBytes, nullptr);
    setText(env, exports, "path", kernels().name);
    setText(env, exports, "oneDnnVersion", oneDnnVersion());
    setAll(env, exports, elementwiseBindings, elementwiseBindingCount);
    setAll(env, exports, reductionBindings, reductionBindingCount);
    setAll(env, exports, normalisationBindings, normalisationBindingCount);
    setAll(env, exports, convolutionBindings, convolutionBindingCount);
    setAll(env, exports, blockBindings, blockBindingCount);
    setAll(env, exports, networkBindings, networkBindingCount);
    return exports;
  });
}

}  // namespace
}  // namespace percept

/** Called by the loader, once in every JavaScript thread. */
extern "C" __attribute__((visibility("default"))) napi_value percept_initialise(napi_env env, napi_value exports) {
  return percept::initialise(env, exports);
}
