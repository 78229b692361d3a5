// SPDX-License-Identifier: Apache-2.0
// All that a generation gives, and how waiting for it ends early.
//
// Whatever asks an engine questions calls finish() on its own thread; the outcome is a value.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::eval {

// Whether to give up what is being done. Asked about ten times a second while an engine computes;
// an empty one says no.
using Stop = std::function<bool()>;

struct Outcome {
  std::string text{};
  std::vector<int> tokens{};
  std::vector<float> logits{};  // of the last rows asked for, [rows, vocabulary_size]
  Usage usage{};
};

// Waits for the end. The generation's error; kCancelled once `stop` says so. Of logits the last
// `logit_rows` rows are kept.
Result<Outcome> finish(Generation generation, const Stop& stop, std::size_t logit_rows = 0);

}  // namespace redknot::eval
