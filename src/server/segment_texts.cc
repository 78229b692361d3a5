// SPDX-License-Identifier: Apache-2.0
#include "server/segment_texts.h"

#include <utility>

#include "base/error.h"

namespace redknot::server {

Status SegmentTexts::put(const std::string& salt, const std::string& id, SegmentText text) {
  const std::lock_guard lock(mutex_);
  auto& texts = by_salt_[salt];
  const auto found = texts.find(id);
  const std::size_t before = found == texts.end() ? 0 : found->second.text.size();
  if (bytes_ - before + text.text.size() > limit_bytes_) {
    return exhausted("put segment: the texts of segments have no room for ", text.text.size(),
                     " bytes more; delete some");
  }
  bytes_ = bytes_ - before + text.text.size();
  texts[id] = std::move(text);
  return Done{};
}

std::optional<SegmentText> SegmentTexts::find(const std::string& salt,
                                              const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return std::nullopt;
  const auto found = tenant->second.find(id);
  if (found == tenant->second.end()) return std::nullopt;
  return found->second;
}

std::map<std::string, SegmentText> SegmentTexts::all(const std::string& salt) const {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return {};
  std::map<std::string, SegmentText> out;
  for (const auto& [id, one] : tenant->second) {
    out[id] = {.tokens = one.tokens, .engine_ids = one.engine_ids};
  }
  return out;
}

int SegmentTexts::erase(const std::string& salt, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return 0;
  int erased = 0;
  for (auto one = tenant->second.begin(); one != tenant->second.end();) {
    if (!id.empty() && one->first != id) {
      ++one;
      continue;
    }
    bytes_ -= one->second.text.size();
    one = tenant->second.erase(one);
    ++erased;
  }
  if (tenant->second.empty()) by_salt_.erase(tenant);
  return erased;
}

}  // namespace redknot::server
