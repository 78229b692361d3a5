// SPDX-License-Identifier: Apache-2.0
// Text of a wanted length, made of common English words: equal seeds give equal text, different
// seeds texts that begin differently. How many tokens a word is depends on the server's tokenizer
// and is measured once, on calibration_text().
//
// The LoadRun owns a TextMaker and makes the bodies of its requests with it. It is a value that any
// thread may read.
#pragma once

#include <cstdint>
#include <string>

#include "load/workload.h"

namespace redknot::load {

class TextMaker {
 public:
  // Requires tokens_per_word > 0.
  explicit TextMaker(double tokens_per_word = 1) : tokens_per_word_(tokens_per_word) {}

  // About that many tokens, at least one word.
  std::string text(std::uint64_t seed, int tokens) const;
  // What a part says.
  std::string text(const TextPart& part) const {
    return part.text ? *part.text : text(part.seed, part.tokens);
  }
  double tokens_per_word() const { return tokens_per_word_; }

 private:
  double tokens_per_word_;
};

inline constexpr int kCalibrationWords = 2000;
std::string calibration_text();  // kCalibrationWords words

}  // namespace redknot::load
