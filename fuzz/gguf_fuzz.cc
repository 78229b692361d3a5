// SPDX-License-Identifier: Apache-2.0
// A GGUF file: directory, vocabulary, configuration, and the weights bound to their places.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/model_parts.h"

namespace {

// Reads the ends of a tensor, which the sanitizer checks to lie in the file.
void touch(const redknot::TensorView& tensor) {
  if (!tensor.present() || tensor.columns > (1 << 16)) return;
  std::vector<float> row(static_cast<std::size_t>(tensor.columns));
  redknot::dequantize(tensor.dtype, tensor.row(0), row);
  redknot::dequantize(tensor.dtype, tensor.row(tensor.rows - 1), row);
}

void touch(const redknot::ModelWeights& weights) {
  touch(weights.token_embedding);
  touch(weights.output);
  for (const redknot::LayerWeights& layer : weights.layers) {
    touch(layer.query);
    touch(layer.attention_output);
    touch(layer.ffn.down);
    for (const redknot::ExpertWeights& expert : layer.experts) touch(expert.down);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> file(reinterpret_cast<const std::byte*>(data),
                                    reinterpret_cast<const std::byte*>(data) + size);
  const auto parts = redknot::model_from_gguf(file);
  if (parts.ok()) touch(parts->weights);
  const auto gguf = redknot::Gguf::parse(file);
  if (gguf.ok()) (void)redknot::vocabulary_from_gguf(*gguf);
  return 0;
}
