// SPDX-License-Identifier: Apache-2.0
#include "kv/use_memory.h"

namespace redknot {

int UseMemory::uses(const Sha256Digest& key) const {
  const auto found = uses_.find(key);
  return found == uses_.end() ? 0 : found->second;
}

void UseMemory::ask(const Sha256Digest& key) {
  const auto found = uses_.find(key);
  if (found != uses_.end()) ++found->second;
}

void UseMemory::remember(const Sha256Digest& key, int uses) {
  if (!uses_.insert_or_assign(key, uses).second) return;
  order_.push_back(key);
  if (order_.size() <= kMostRemembered) return;
  uses_.erase(order_.front());
  order_.pop_front();
}

}  // namespace redknot
