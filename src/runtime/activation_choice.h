// SPDX-License-Identifier: Apache-2.0
// Which activation format a model runs with: what was asked for, if the weights and the kernels
// have it, or the default. Pure functions of the opening thread.
#pragma once

#include <optional>

#include "kernels/kernels.h"
#include "model/model.h"
#include "redknot/activation_format.h"
#include "redknot/result.h"

namespace redknot {

// 8 for a model with quantised weights, else exact.
ActivationFormat auto_activations(const ModelWeights& weights);

// What was asked for, or the default. kUnsupported, with what would work, for 8 and 16 without
// quantised weights, and for bf16 without BF16 weights, with quantised ones, or with kernels that
// do not multiply them.
Result<ActivationFormat> choose_activations(std::optional<ActivationFormat> asked,
                                            const ModelWeights& weights, const Kernels& kernels);

}  // namespace redknot
