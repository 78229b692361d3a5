// SPDX-License-Identifier: Apache-2.0
#include "server/segment_texts.h"

#include <utility>

#include "base/error.h"

namespace redknot::server {

Status SegmentTexts::put(const std::string& salt, const std::string& id, SegmentText text) {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  std::size_t others = tenant == by_salt_.end() ? 0 : tenant->second.bytes;
  if (others > 0) {
    const auto found = tenant->second.by_id.find(id);
    if (found != tenant->second.by_id.end()) others -= found->second.text.size();
  }
  if (others + text.text.size() > limit_bytes_) {
    return exhausted("put segment: the texts of segments have no room for ", text.text.size(),
                     " bytes more; delete some");
  }
  Texts& texts = by_salt_[salt];
  texts.bytes = others + text.text.size();
  texts.by_id[id] = std::move(text);
  return Done{};
}

std::optional<SegmentText> SegmentTexts::find(const std::string& salt,
                                              const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return std::nullopt;
  const auto found = tenant->second.by_id.find(id);
  if (found == tenant->second.by_id.end()) return std::nullopt;
  return found->second;
}

std::map<std::string, SegmentText> SegmentTexts::all(const std::string& salt) const {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return {};
  std::map<std::string, SegmentText> out;
  for (const auto& [id, one] : tenant->second.by_id) {
    out[id] = {.tokens = one.tokens, .engine_ids = one.engine_ids};
  }
  return out;
}

int SegmentTexts::erase(const std::string& salt, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto tenant = by_salt_.find(salt);
  if (tenant == by_salt_.end()) return 0;
  Texts& texts = tenant->second;
  int erased = 0;
  for (auto one = texts.by_id.begin(); one != texts.by_id.end();) {
    if (!id.empty() && one->first != id) {
      ++one;
      continue;
    }
    texts.bytes -= one->second.text.size();
    one = texts.by_id.erase(one);
    ++erased;
  }
  if (texts.by_id.empty()) by_salt_.erase(tenant);
  return erased;
}

}  // namespace redknot::server
