// SPDX-License-Identifier: Apache-2.0
// Head profiles and head maps. What was read of a profile must be the same written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "heads/profile_file.h"
#include "heads/reference_map.h"

namespace {

void check_policies(const redknot::HeadProfile& profile) {
  const auto heads = static_cast<std::size_t>(profile.layers) * profile.kv_heads;
  if (profile.policies.size() != heads) std::abort();
  for (const redknot::HeadPolicy& policy : profile.policies) {
    if (policy.sink_tokens < 0) std::abort();
    if (policy.head_class != redknot::HeadClass::kGlobal && policy.window_tokens < 1) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto map = redknot::parse_reference_map(text);
  if (map.ok()) check_policies(*map);
  const auto file = redknot::parse_profile(text);
  if (!file.ok()) return 0;
  check_policies(file->profile);
  const std::string written = redknot::to_json(*file);
  const auto again = redknot::parse_profile(written);
  // Numbers are rounded when they are written, once.
  if (!again.ok() || redknot::to_json(*again) != written) std::abort();
  return 0;
}
