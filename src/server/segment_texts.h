// SPDX-License-Identifier: Apache-2.0
// The texts that clients have put on the server (PUT /v1/segments), so that later requests can
// refer to them by id. Each tenant has its own, under its salt, within a bound of bytes.
//
// The Service owns them. The routes of segments put, list and erase them, and the readers of
// requests look them up on the workers. Any thread; a lock guards the maps.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "redknot/result.h"

namespace redknot::server {

struct SegmentText {
  std::string text{};
  int tokens = 0;
  // The engine's names of it, in the forms that prompts have it in.
  std::vector<std::string> engine_ids{};
};

class SegmentTexts {
 public:
  // Bytes of all texts of a tenant.
  explicit SegmentTexts(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // Puts or replaces. kResourceExhausted if there is no room.
  Status put(const std::string& salt, const std::string& id, SegmentText text);
  std::optional<SegmentText> find(const std::string& salt, const std::string& id) const;
  // A tenant's, by id, without the texts.
  std::map<std::string, SegmentText> all(const std::string& salt) const;
  // One, or all with an empty id. How many.
  int erase(const std::string& salt, const std::string& id);

 private:
  const std::size_t limit_bytes_;
  mutable std::mutex mutex_;
  struct Texts {
    std::map<std::string, SegmentText> by_id{};
    std::size_t bytes = 0;
  };
  std::map<std::string, Texts> by_salt_;
};

}  // namespace redknot::server
