#include <dlfcn.h>
#include <node_api.h>
#include <stdlib.h>

#include <string>

// Loads the engine's library beside this file. The detour exists for one setting: OpenMP's threads, left to themselves, spin for many
// milliseconds while they wait for work, and steal the cores from other processes and workers; libgomp reads its settings when it
// is loaded, and never again.
namespace {

/** Turns of the waiting loop before a thread goes to sleep: about 0.2 ms, longer than the gap between two kernels. */
constexpr const char* spinCount = "4000";

using Initialise = napi_value (*)(napi_env, napi_value);

struct Engine {
  Initialise initialise = nullptr;
  std::string problem;
};

std::string folderOfThisFile() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&folderOfThisFile), &info) == 0) return ".";
  const std::string file = info.dli_fname;
  return file.substr(0, file.find_last_of('/'));
}

Engine load() {
  Engine engine;
  if (getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", spinCount, 0);
  void* library = dlopen((folderOfThisFile() + "/libpercept_engine.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) {
    engine.initialise = reinterpret_cast<Initialise>(dlsym(library, "percept_initialise"));
  }
  if (engine.initialise == nullptr) engine.problem = dlerror();
  return engine;
}

}  // namespace

NAPI_MODULE_INIT() {
  // One library per process, one initialisation per thread that loads it.
  static const Engine engine = load();
  if (engine.initialise == nullptr) {
    napi_throw_error(env, nullptr, engine.problem.c_str());
    return nullptr;
  }
  return engine.initialise(env, exports);
}
