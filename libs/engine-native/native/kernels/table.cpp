#include "isa.h"

#define PERCEPT_TEXT_OF(name) #name
#define PERCEPT_TEXT(name) PERCEPT_TEXT_OF(name)

namespace percept::PERCEPT_ISA {

extern const Kernels table = {
    PERCEPT_TEXT(PERCEPT_ISA),
    unary,
    binary,
    fill,
    copyStrided,
    reduce,
    matmul,
    softmax,
    crossEntropy,
    crossEntropyGrad,
    channelMoments,
    normalise,
    normaliseInputGrad,
    normaliseGradSums,
    normaliseTrainGrad,
    normaliseSecondSums,
    normaliseSecondGrad,
    moveAverage,
    sgdMomentum,
    linfStep,
};

}  // namespace percept::PERCEPT_ISA
