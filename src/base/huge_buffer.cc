// SPDX-License-Identifier: Apache-2.0
#include "base/huge_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"

namespace redknot {
namespace {

constexpr std::size_t round_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

constexpr std::size_t to_mib(std::size_t bytes) { return bytes / (std::size_t{1} << 20); }

constexpr std::size_t kPopulateBytes = std::size_t{64} << 20;

Status populate_slice(std::byte* data, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (::madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return Done{};
  if (errno == ENOMEM) return exhausted("populate memory: ", std::strerror(errno));
#endif
  const auto step = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t offset = 0; offset < bytes; offset += step) {
    *static_cast<volatile std::byte*>(data + offset) = std::byte{0};
  }
  return Done{};
}

// What the system says it can still give without swapping, and no more than the limit of our
// control group; the largest number if it says nothing.
std::size_t available_bytes() {
  std::size_t available = std::numeric_limits<std::size_t>::max();
  std::ifstream memory("/proc/meminfo");
  for (std::string line; std::getline(memory, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu kB", &kib) == 1) available = kib << 10;
  }
  unsigned long long limit = 0;  // "max" if there is none
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit) {
    available = std::min<std::size_t>(available, limit);
  }
  return available;
}

}  // namespace

Result<HugeBuffer> HugeBuffer::allocate(std::size_t bytes) {
  const std::size_t available = available_bytes();
  const auto refuse = [&](std::string_view why) {
    return exhausted("allocate ", to_mib(bytes), " MiB: ", why);
  };
  if (bytes > available || bytes > std::numeric_limits<std::size_t>::max() / 2) {
    return refuse(concat(to_mib(available), " MiB of memory are available"));
  }
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kAlignment);
  void* mapping = ::mmap(nullptr, size + kAlignment, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return refuse(std::strerror(errno));
  auto* const begin = static_cast<std::byte*>(mapping);
  const auto address = reinterpret_cast<std::uintptr_t>(mapping);
  const std::size_t head = round_up(address, kAlignment) - address;
  if (head > 0) ::munmap(begin, head);
  ::munmap(begin + head + size, kAlignment - head);
  ::madvise(begin + head, size, MADV_HUGEPAGE);  // a wish: small pages serve as well, slower
  return HugeBuffer(begin + head, size);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Status HugeBuffer::populate() const {
  // A slice at a time: a signal, such as Ctrl-C, waits until the system call is over.
  for (std::size_t begin = 0; begin < size_; begin += kPopulateBytes) {
    REDKNOT_RETURN_IF_ERROR(populate_slice(data_ + begin, std::min(kPopulateBytes, size_ - begin)));
  }
  return Done{};
}

}  // namespace redknot
