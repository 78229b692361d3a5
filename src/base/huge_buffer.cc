// SPDX-License-Identifier: Apache-2.0
#include "base/huge_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"

namespace redknot {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMiB = std::size_t{1} << 20;

// What the system could give without swapping, or "no limit" where it does not say.
std::size_t available_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  std::size_t kib = 0;
  while (meminfo >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(meminfo, unit);
  }
  return std::numeric_limits<std::size_t>::max();
}

}  // namespace

Result<HugeBuffer> HugeBuffer::allocate(std::size_t bytes, std::string_view purpose) {
  const std::size_t available = available_bytes();
  if (bytes > available || bytes > std::numeric_limits<std::size_t>::max() / 2) {
    return exhausted("allocate ", purpose, ": ", bytes / kMiB, " MiB needed, ", available / kMiB,
                     " MiB available");
  }
  const std::size_t mapped = bytes + kHugePage;
  void* mapping =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return exhausted("allocate ", purpose, ": the system refused ", bytes / kMiB, " MiB");
  }
  const auto start = reinterpret_cast<std::uintptr_t>(mapping);
  const std::uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  auto* data = reinterpret_cast<std::byte*>(aligned);
  ::madvise(data, bytes, MADV_HUGEPAGE);
  return HugeBuffer(mapping, mapped, data, bytes);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept { *this = std::move(other); }

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_);
}

void HugeBuffer::touch(std::span<std::byte> part) {
  constexpr std::size_t kSmallPage = 4096;
  for (std::size_t at = 0; at < part.size(); at += kSmallPage) {
    *static_cast<volatile std::byte*>(part.data() + at) = std::byte{0};
  }
}

}  // namespace redknot
