// SPDX-License-Identifier: Apache-2.0
#include "runtime/activation_choice.h"

#include "base/check.h"
#include "base/error.h"
#include "runtime/packed_weights.h"

namespace redknot {

ActivationFormat auto_activations(const ModelWeights& weights) {
  return PackedWeights::formats(weights).integer ? ActivationFormat::k8 : ActivationFormat::kExact;
}

Result<ActivationFormat> choose_activations(std::optional<ActivationFormat> asked,
                                            const ModelWeights& weights, const Kernels& kernels) {
  const MatrixFormats formats = PackedWeights::formats(weights);
  const ActivationFormat chosen = asked.value_or(auto_activations(weights));
  const bool bf16_weights = formats.bf16 && !formats.integer;
  const auto refused = [&](const auto&... why) {
    return unsupported("activations ", name(chosen), ": ", why...);
  };
  switch (chosen) {
    case ActivationFormat::kExact:
      return chosen;
    case ActivationFormat::k8:
    case ActivationFormat::k16:
      if (formats.integer) return chosen;
      return refused("the model's weights are not quantised; exact would work",
                     bf16_weights && kernels.multiply_bf16 ? ", and bf16" : "");
    case ActivationFormat::kBf16:
      if (formats.integer) return refused("the model has quantised weights; 8, 16 and exact work");
      if (!formats.bf16) return refused("the model has no BF16 weights; exact would work");
      if (kernels.multiply_bf16) return chosen;
      return refused("the kernels ", kernels.name,
                     " do not multiply BF16, or this CPU lacks AVX512-BF16; exact would work, and "
                     "the kernels reference, slowly");
  }
  REDKNOT_CHECK(false);
}

}  // namespace redknot
