// SPDX-License-Identifier: Apache-2.0
// The two names of a segment: the key that its pages are found by, a digest of everything that they
// depend on, and what callers call it, which does not depend on what it stands behind. Plain
// values.
#pragma once

#include <string>
#include <tuple>

#include "base/sha256.h"

namespace redknot {

using SegmentKey = Sha256Digest;

// Whose it is, and its tokens, whatever they stand behind.
struct SegmentName {
  std::string salt{};
  std::string id{};
  bool operator==(const SegmentName&) const = default;
  bool operator<(const SegmentName& other) const {
    return std::tie(salt, id) < std::tie(other.salt, other.id);
  }
};

}  // namespace redknot
