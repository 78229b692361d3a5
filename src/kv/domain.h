// SPDX-License-Identifier: Apache-2.0
// What keys and values depend on besides tokens and how they are composed: the model, what each
// head keeps and sees, how pages are cut, which kernels compute, and what activations are rounded
// to. Two caches of one domain could exchange pages; anything else is a miss, because the domain is
// part of every key. Plain values, computed once when a cache is made.
#pragma once

#include <string>

#include "base/sha256.h"
#include "heads/head_profile.h"
#include "kv/page_allocator.h"
#include "redknot/activation_format.h"

namespace redknot {

using Domain = Sha256Digest;

// Raised whenever the same tokens give other keys or values: other cuts, another packing.
inline constexpr int kArithmetic = 2;

// What the cache cannot see by itself.
struct DomainNames {
  std::string model{};    // a fingerprint of the weights
  std::string kernels{};  // which compute
  ActivationFormat activations = ActivationFormat::k8;
  int arithmetic = kArithmetic;
};

Domain domain_of(const DomainNames& names, const HeadProfile& profile, const PageShape& shape);

}  // namespace redknot
