// SPDX-License-Identifier: Apache-2.0
// How far some predictions are from others of the same text, position by position. DivergenceSum is
// a value that owns what was collected; DenseComparison fills it, profiling and `redknot eval` add
// up and read it. Safe to pass between threads, and used by one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "heads/profile_file.h"

namespace redknot {

// One position's log probabilities, and what is wanted of another's.
struct Prediction {
  std::span<const float> logits;  // [vocabulary]
  int next = -1;                  // the token that follows in the text, or -1
};

// Positions collected so far. A value.
class DivergenceSum {
 public:
  // KL(dense || other) in nats, in double precision. Logits that are not finite make it infinite.
  // Requires equal sizes.
  void add(const Prediction& dense, std::span<const float> other);
  void add(const DivergenceSum& more);

  bool empty() const { return kl_.empty(); }
  // Requires positions. Quantiles are nearest ranks.
  Divergence total() const;
  // Of the dense predictions, over positions with a next token; 1 without any.
  double dense_perplexity() const;
  std::span<const float> kl() const { return kl_; }

 private:
  std::vector<float> kl_;
  std::int64_t same_top1_ = 0;
  std::int64_t followed_ = 0;   // positions with a next token
  double dense_loss_ = 0;       // over those, nats
  double loss_difference_ = 0;  // the other's minus the dense one
};

}  // namespace redknot
