// SPDX-License-Identifier: Apache-2.0
// Standard output and standard error. Unbuffered: what was printed is out, and a full disk or a
// reader that left is noticed at once. Plain functions without state that every verb calls, from
// any thread; what two threads print at once comes in either order.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::cli {

// Opens those of the descriptors 0 to 2 that the parent closed on nothing, so that no file of ours
// takes their number and gets what is printed. Using them goes on to fail.
void reserve_standard_descriptors();

// Writes to standard output. kIo with the system's reason.
Status print(std::string_view text);

// Writes "redknot: <message>" and a newline to standard error, where failure is ignored.
void note(std::string_view message);

// Writes to standard error, where failure is ignored.
void print_aside(std::string_view text);

// One line of text in printf's manner.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

// "1.50 GiB"
std::string human_bytes(std::size_t bytes);

// Says on standard error that a recording ended before what it was of, and why.
void note_recording(const Stats& stats);

// Names of formats of the KV cache, as --kv takes them, behind others.
std::vector<std::string> kv_names(std::vector<std::string> others = {});

// The format called so; empty for "auto".
std::optional<KvFormat> kv_from_name(std::string_view text);

}  // namespace redknot::cli
