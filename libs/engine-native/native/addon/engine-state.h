#pragma once

#include <vector>

#include "conv.h"
#include "network.h"
#include "onednn-convolution.h"

namespace percept {

/** What one JavaScript thread's addon instance owns. */
struct EngineState {
  int threads = 1;
  OneDnnConvolution oneDnn;
  conv::Workspace workspace;
  NetworkMemory network;
  /** Per-channel scratch of the batch-norm kernels. */
  std::vector<float> vectors;
  std::vector<double> wideVectors;

  float* scratch(size_t length) {
    if (vectors.size() < length) vectors.resize(length);
    return vectors.data();
  }
  double* wideScratch(size_t length) {
    if (wideVectors.size() < length) wideVectors.resize(length);
    return wideVectors.data();
  }
  size_t keptBytes() const {
    return workspace.bytes() + network.bytes() + vectors.capacity() * sizeof(float) +
           wideVectors.capacity() * sizeof(double);
  }
};

}  // namespace percept
