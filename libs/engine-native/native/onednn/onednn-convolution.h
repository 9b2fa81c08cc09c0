#pragma once

#include <array>
#include <memory>

namespace percept {

/** Sizes of a 2-D convolution: images NHWC, filter HWIO, output NHWC. */
struct ConvolutionShape {
  int batch, height, width, inChannels;
  int filterHeight, filterWidth, outChannels;
  int outHeight, outWidth;
  int strideHeight, strideWidth;
  int padTop, padLeft;
  int dilationHeight, dilationWidth;

  std::array<int, 15> key() const {
    return {batch,     height,       width,       inChannels, filterHeight, filterWidth,    outChannels,  outHeight,
            outWidth, strideHeight, strideWidth, padTop,     padLeft,      dilationHeight, dilationWidth};
  }
  size_t inputLength() const { return size_t{1} * batch * height * width * inChannels; }
  size_t filterLength() const { return size_t{1} * filterHeight * filterWidth * inChannels * outChannels; }
  size_t outputLength() const { return size_t{1} * batch * outHeight * outWidth * outChannels; }
};

/** Convolutions by oneDNN, for any shape and CPU. Prepared primitives are kept per shape. Not for concurrent use; one per JavaScript thread. */
class OneDnnConvolution {
 public:
  OneDnnConvolution();
  ~OneDnnConvolution();

  void forward(const ConvolutionShape& shape, const float* x, const float* filter, float* y);
  void backwardInput(const ConvolutionShape& shape, const float* dy, const float* filter, float* dx);
  void backwardFilter(const ConvolutionShape& shape, const float* x, const float* dy, float* dFilter);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/** oneDNN's version, such as "2.6.3". */
const char* oneDnnVersion();

}  // namespace percept
