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

// What one position adds to a sum.
struct PositionDivergence {
  float kl = 0;  // nats
  bool same_top1 = false;
  bool followed = false;  // the next token is known
  double dense_loss = 0;  // its, nats, as the dense prediction has it
  double loss_difference = 0;
};

// KL(dense || other), summed in double precision. Logits that are not finite make it infinite.
// Requires equal sizes. A pure function: positions may be compared on several threads.
PositionDivergence diverge(const Prediction& dense, std::span<const float> other);

// Where the mean over many more positions lies, most likely.
struct KlInterval {
  double low = 0, high = 0;
  bool excludes(double kl) const { return kl < low || kl > high; }
};

// Positions collected so far. A value.
class DivergenceSum {
 public:
  void add(const PositionDivergence& found);
  void add(const DivergenceSum& more);

  bool empty() const { return kl_.empty(); }
  // Requires positions. Quantiles are nearest ranks.
  Divergence total() const;
  // Of the mean, with 99 %: from the means of runs of positions, which are less alike than
  // neighbours are. Everything, with fewer than 8 runs. Requires positions.
  KlInterval kl_interval() const;
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
