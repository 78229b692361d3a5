// SPDX-License-Identifier: Apache-2.0
// config.json and model.safetensors.index.json.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/config_files.h"
#include "model/model_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)redknot::config_from_json(text);
  (void)redknot::shard_names(text);
  return 0;
}
