#pragma once

#include "arguments.h"
#include "engine-state.h"

namespace percept {

/** A kernel as JavaScript calls it: reads and checks its arguments, computes into arrays that JavaScript passed. */
using Binding = void (*)(const Arguments& arguments, EngineState& state);

struct NamedBinding {
  const char* name;
  Binding binding;
};

extern const NamedBinding elementwiseBindings[];
extern const size_t elementwiseBindingCount;
extern const NamedBinding reductionBindings[];
extern const size_t reductionBindingCount;
extern const NamedBinding normalisationBindings[];
extern const size_t normalisationBindingCount;
extern const NamedBinding convolutionBindings[];
extern const size_t convolutionBindingCount;
extern const NamedBinding blockBindings[];
extern const size_t blockBindingCount;
extern const NamedBinding networkBindings[];
extern const size_t networkBindingCount;

}  // namespace percept
