// SPDX-License-Identifier: Apache-2.0
// RopeTable: cosines and sines of rotary position embedding for any position, computed once each
// and kept. The transformer owns the table of its steps; attention, and keys and values, look
// rotations up in it.
//
// Angle of pair i at position p: p * base^(-2i / dims), scaled as the model says: linear divides
// all positions by the factor; YaRN (Peng et al. 2023, section 3.2) mixes divided and plain
// frequencies by wavelength and multiplies cosine and sine by a magnitude; Llama-3 divides each
// frequency by a given number. Computed in double precision. The thread that runs the step calls
// prepare() before workers start; at() may then be called from any thread.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"

namespace redknot {

class RopeTable {
 public:
  explicit RopeTable(const RopeConfig& config);

  // Makes at() valid for [begin, end). Positions may be negative (a shifted run).
  void prepare(int begin, int end);
  Rope at(int position) const;

  // Radians per position of each pair, for tests. [dims / 2]
  const std::vector<double>& frequencies() const { return frequencies_; }

 private:
  static constexpr int kBlock = 256;  // positions computed together

  // Constant after construction.
  RopeConfig config_;
  std::vector<double> frequencies_;

  // By position divided by kBlock, rounded down; grows in prepare().
  std::unordered_map<int, std::vector<float>> blocks_;  // [kBlock, 2, dims / 2]
};

}  // namespace redknot
