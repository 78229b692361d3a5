// SPDX-License-Identifier: Apache-2.0
#include "kv/domain.h"

#include <utility>

#include "kv/chain.h"

namespace redknot {

// With the context_bound of heads: it decides which of them take what is recovered of segments.
Domain domain_of(const DomainNames& names, const HeadProfile& profile, const PageShape& shape) {
  Sha256 sha;
  sha.add_field(names.model);
  sha.add_field(names.kernels);
  hash_numbers(sha, {names.arithmetic, static_cast<int>(names.activations), shape.page_tokens,
                     shape.head_dim, shape.key_bounds ? 1 : 0, profile.layers, profile.kv_heads});
  for (const HeadPolicy& policy : profile.policies) {
    hash_numbers(
        sha, {static_cast<int>(policy.head_class), policy.sink_tokens, policy.window_tokens,
              static_cast<int>(policy.kv_format), policy.top_pages, policy.context_bound ? 1 : 0});
  }
  return std::move(sha).finish();
}

}  // namespace redknot
