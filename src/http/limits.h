// SPDX-License-Identifier: Apache-2.0
// What one HTTP server takes at most, and how long it waits. Plain values, set before start().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace redknot::http {

struct Limits {
  std::size_t header_bytes = 16 * 1024;  // request line and headers together
  int headers = 100;
  std::size_t body_bytes = std::size_t{32} << 20;     // of one request
  std::size_t bodies_bytes = std::size_t{256} << 20;  // of all requests being read or answered
  int connections = 4096;                             // more are told 503
  int streams = 1024;                                 // begun at a time; more are told 503
  std::chrono::milliseconds idle_time{75'000};        // without a byte of a next request
  std::chrono::milliseconds header_time{10'000};      // from the first byte to the last header
  std::chrono::milliseconds body_time{10'000};        // plus received / body_bytes_per_second
  std::chrono::milliseconds write_time{30'000};       // plus written / write_bytes_per_second
  std::chrono::milliseconds handshake_time{10'000};   // TLS
  std::chrono::milliseconds linger_time{2'000};       // discards what follows a refusal
  std::size_t linger_bytes = std::size_t{4} << 20;    // at most that much of it
  std::uint32_t body_bytes_per_second = 16 * 1024;    // slower uploads are told 408
  std::uint32_t write_bytes_per_second = 16 * 1024;   // slower readers are cut
};

// `grace` and the time that `bytes` take at the slowest speed allowed.
inline std::chrono::milliseconds time_for(std::size_t bytes, std::chrono::milliseconds grace,
                                          std::uint32_t bytes_per_second) {
  const std::size_t speed = bytes_per_second > 0 ? bytes_per_second : 1;
  return grace + std::chrono::milliseconds(bytes / speed * 1000 + bytes % speed * 1000 / speed);
}

}  // namespace redknot::http
