// SPDX-License-Identifier: Apache-2.0
// Binds the tensors of a file to their places in the model, checking every shape.
#pragma once

#include "model/config.h"
#include "model/model.h"
#include "model/tensor_table.h"
#include "redknot/result.h"

namespace redknot {

enum class WeightNaming { kGguf, kHuggingFace };

struct WeightRules {
  WeightNaming naming = WeightNaming::kGguf;
  bool tied = false;                  // the output matrix is the embedding
  bool query_key_value_bias = false;  // required; otherwise taken where present
  bool output_bias = false;           // of attention; likewise
};

// kCorrupt naming a tensor that is missing or has another shape; kUnsupported for its type, and for
// tensors that the architecture does not have.
Result<ModelWeights> bind_weights(const ModelConfig& config, const WeightRules& rules,
                                  TensorTable& tensors);

}  // namespace redknot
