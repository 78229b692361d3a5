// SPDX-License-Identifier: Apache-2.0
// How often entries of the KV cache were asked for that have gone since: a list of digests and
// counts without any page, as long as memory is cheap. What comes again is then worth as much as
// its uses, and not as little as what comes once. Owned by the KV cache; used by the step loop
// only.
#pragma once

#include <cstddef>
#include <deque>
#include <map>

#include "base/sha256.h"

namespace redknot {

class UseMemory {
 public:
  static constexpr std::size_t kMostRemembered = 1 << 15;

  int uses(const Sha256Digest& key) const;
  // Counts a use of one that is remembered; does nothing for others.
  void ask(const Sha256Digest& key);
  // Those that were remembered first are forgotten first.
  void remember(const Sha256Digest& key, int uses);

 private:
  std::map<Sha256Digest, int> uses_;
  std::deque<Sha256Digest> order_;  // the keys of uses_, as they came
};

}  // namespace redknot
