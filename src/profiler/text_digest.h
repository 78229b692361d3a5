// SPDX-License-Identifier: Apache-2.0
// What a comparison was made on, for the file that holds it: its size, and a hash of its tokens.
// TextDigest owns a hash in progress. Profiling and `redknot eval` make one for the texts of one
// comparison, add each text once, and end it with a description. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/sha256.h"
#include "heads/profile_file.h"
#include "profiler/dense_comparison.h"

namespace redknot {

class TextDigest {
 public:
  void add(const ComparedText& text);
  // Of all that was added, in its order. Ends the object.
  MeasuredText describe(std::string description) &&;

 private:
  void add(std::uint32_t value);

  Sha256 sha_;
  std::int64_t tokens_ = 0;
  int context_tokens_ = 0;
};

}  // namespace redknot
