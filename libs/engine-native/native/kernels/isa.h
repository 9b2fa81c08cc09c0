#pragma once

#include "kernels.h"

// Compiled once per instruction set with PERCEPT_ISA set to avx512, avx2 or portable.
namespace percept::PERCEPT_ISA {

void unary(UnaryOp, const float*, float*, size_t, float, float, int);
void binary(BinaryOp, const float*, const float*, float*, const Broadcast&, int);
void fill(float*, size_t, float, int);
void copyStrided(const float*, float*, const StridedView&, int);
void reduce(ReduceOp, const float*, float*, size_t, size_t, size_t, int);
void matmul(const float*, const float*, const float*, float*, const MatmulShape&, int);
void softmax(const float*, float*, size_t, size_t, bool, int);
void crossEntropy(const float*, const float*, float*, size_t, size_t, int);
void crossEntropyGrad(const float*, const float*, const float*, float*, size_t, size_t, int);
void channelMoments(const float*, float*, float*, size_t, size_t, int);
void normalise(const float*, float*, const Normalisation&, size_t, size_t, int);
void normaliseInputGrad(const float*, const float*, float*, const Normalisation&, size_t, size_t, int);
void normaliseGradSums(const float*, const float*, const Normalisation&, double*, double*, size_t, size_t, int);
void normaliseTrainGrad(const float*, const float*, const float*, float*, const Normalisation&, const float*,
                        const float*, const float*, size_t, size_t, int);
void moveAverage(float*, const float*, size_t, float, float);
void normaliseSecondSums(const float*, const float*, const float*, const Normalisation&, double*, size_t, size_t, int);
void normaliseSecondGrad(const float*, const float*, const float*, float*, float*, const Normalisation&,
                         const SecondFactors&, size_t, size_t, int);
void sgdMomentum(float*, float*, const float*, size_t, float, float, float, int);
void linfStep(const float*, const float*, const float*, float*, size_t, float, float, int);

extern const Kernels table;

}  // namespace percept::PERCEPT_ISA
