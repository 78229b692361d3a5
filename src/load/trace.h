// SPDX-License-Identifier: Apache-2.0
// Traces of real services in Mooncake's format: a JSON object a line,
//   {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}
// timestamp in milliseconds since the start; each hash id names kTraceBlockTokens tokens of the
// prompt, equal ids mean equal text, and the last block may be partial.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "redknot/result.h"

namespace redknot::load {

inline constexpr int kTraceBlockTokens = 512;
inline constexpr int kMaxTraceTokens = 1 << 24;  // of an input or output
inline constexpr double kMaxTraceMs = 1e11;      // three years
inline constexpr std::size_t kMaxTraceBytes = std::size_t{1} << 30;

struct TraceRequest {
  double timestamp_ms = 0;
  int input_tokens = 0;
  int output_tokens = 0;
  std::vector<std::uint64_t> blocks{};  // ceil(input_tokens / kTraceBlockTokens) of them
};

// In the order of their timestamps; equal timestamps in the order of the lines. Empty lines and
// other fields are ignored. kInvalidArgument naming the line and the field, "line 3: ...".
Result<std::vector<TraceRequest>> parse_trace(std::string_view text);

// kNotFound and kIo with the system's reason; kResourceExhausted beyond kMaxTraceBytes.
Result<std::vector<TraceRequest>> read_trace(const std::filesystem::path& path);

}  // namespace redknot::load
