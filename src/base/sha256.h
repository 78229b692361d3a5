// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), by OpenSSL.
//
// A Sha256 owns the state of one digest and belongs to the thread that adds to it. Fingerprints of
// models, names of reusable parts, digests of texts that were measured and keys of tenants are made
// with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace redknot {

using Sha256Digest = std::array<std::byte, 32>;

// The digest of everything added. Move-only; one thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  // Eight bytes before the text say how long it is: two lists of fields that differ never add the
  // same bytes.
  void add_field(std::string_view text);
  // Ends the object.
  Sha256Digest finish() &&;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string hex(const Sha256Digest& digest);  // 64 lower-case digits

}  // namespace redknot
