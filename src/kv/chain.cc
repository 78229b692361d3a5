// SPDX-License-Identifier: Apache-2.0
#include "kv/chain.h"

#include <utility>

namespace redknot {

void hash_numbers(Sha256& sha, std::initializer_list<int> numbers) {
  sha.add(std::as_bytes(std::span(numbers.begin(), numbers.size())));
}

void hash_tokens(Sha256& sha, std::span<const TokenId> tokens) {
  hash_numbers(sha, {static_cast<int>(tokens.size())});
  sha.add(std::as_bytes(tokens));
}

ChainKey root_key(const Domain& domain, std::string_view tenant) {
  Sha256 sha;
  sha.add(domain);
  sha.add_field(tenant);
  return std::move(sha).finish();
}

// What a segment holds its key says.
ChainKey key_behind(const ChainKey& before, const ChainBlock& block) {
  Sha256 sha;
  sha.add(before);
  hash_numbers(sha, {block.segment ? 1 : 0});
  if (block.segment) {
    sha.add(*block.segment);
    sha.add(block.composition);
  } else {
    hash_tokens(sha, block.tokens);
  }
  return std::move(sha).finish();
}

}  // namespace redknot
