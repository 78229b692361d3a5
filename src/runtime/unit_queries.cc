// SPDX-License-Identifier: Apache-2.0
#include "runtime/unit_queries.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace redknot {

UnitQueries::UnitQueries(const AttentionShape& shape, const Kernels& kernels, const RopeTable& rope)
    : shape_(shape), kernels_(kernels), rope_(rope) {
  const auto floats =
      static_cast<std::size_t>(block_rows(shape)) * static_cast<std::size_t>(shape.head_dim);
  plain_.resize(floats);
  rotated_.resize(floats);
  visible_.resize(static_cast<std::size_t>(block_tokens(shape)));
}

void UnitQueries::load(const AttentionUnit& unit, const KeyBasis& basis, const float* queries) {
  unit_ = &unit;
  basis_ = BasisChange::of_queries(basis, *unit.policy, unit.kv_head, shape_.head_dim);
  shift_.reset();
  const std::ptrdiff_t dim = shape_.head_dim;
  const std::ptrdiff_t token_floats = shape_.group() * dim;
  for (int token = 0; token < unit.tokens; ++token) {
    const std::ptrdiff_t row = unit.step_row(token);
    const float* source = queries + row * shape_.query_heads * dim + unit.kv_head * token_floats;
    std::copy_n(source, token_floats, plain_.data() + token * token_floats);
    visible_[static_cast<std::size_t>(token)] =
        redknot::visible(*unit.policy, unit.position(token));
  }
}

void UnitQueries::rotate(int shift) {
  shift_ = shift;
  const int dim = shape_.head_dim;
  const auto scale = static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(dim)));
  const int group = shape_.group();
  for (int token = 0; token < unit_->tokens; ++token) {
    const Rope rope = rope_.at(unit_->position(token) - shift);
    for (int query = 0; query < group; ++query) {
      const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(token) * group + query) * dim;
      kernels_.rotate(plain_.data() + at, rope, dim, scale, rotated_.data() + at);
      basis_.apply(kernels_, rotated_.data() + at);
    }
  }
}

}  // namespace redknot
