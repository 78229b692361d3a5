// SPDX-License-Identifier: Apache-2.0
#include "profiler/text_digest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace redknot {

// Four bytes, little endian.
void TextDigest::add(std::uint32_t value) {
  std::array<std::byte, 4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(value >> 8 * i & 0xff);
  sha_.add(bytes);
}

// Before the tokens their number and from which one on they are compared.
void TextDigest::add(const ComparedText& text) {
  const int tokens = static_cast<int>(text.tokens.size());
  add(static_cast<std::uint32_t>(tokens));
  add(static_cast<std::uint32_t>(text.first_compared));
  for (const TokenId token : text.tokens) add(static_cast<std::uint32_t>(token));
  tokens_ += tokens;
  context_tokens_ = std::max(context_tokens_, tokens);
}

MeasuredText TextDigest::describe(std::string description) && {
  return {.description = std::move(description),
          .sha256 = hex(std::move(sha_).finish()),
          .tokens = tokens_,
          .context_tokens = context_tokens_};
}

}  // namespace redknot
