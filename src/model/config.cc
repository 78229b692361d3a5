// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <array>
#include <cstddef>

namespace redknot {

std::string_view name(Architecture architecture) {
  constexpr std::array<std::string_view, 4> kNames = {"llama", "qwen2", "qwen3", "qwen3moe"};
  return kNames[static_cast<std::size_t>(architecture)];
}

std::string_view name(RopeScaling scaling) {
  constexpr std::array<std::string_view, 4> kNames = {"none", "linear", "yarn", "llama3"};
  return kNames[static_cast<std::size_t>(scaling)];
}

}  // namespace redknot
