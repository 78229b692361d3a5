// SPDX-License-Identifier: Apache-2.0
#include "kv/page_pool.h"

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

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

static_assert(sizeof(std::size_t) == 8, "page counts times page bytes must not overflow");

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
constexpr std::size_t kPageAlignment = 64;  // bytes; a cache line and the widest vector

constexpr std::size_t round_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

constexpr std::size_t to_mib(std::size_t bytes) { return round_up(bytes, 1 << 20) >> 20; }

std::size_t index_of(KvFormat format) { return static_cast<std::size_t>(format); }
std::size_t index_of(PageId page) { return static_cast<std::size_t>(page); }

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

Status check_options(const PagePoolOptions& options) {
  const PageShape& shape = options.shape;
  if (shape.page_tokens != 16 && shape.page_tokens != 32 && shape.page_tokens != 64 &&
      shape.page_tokens != 128) {
    return invalid("create page pool: page_tokens is ", shape.page_tokens,
                   ", not 16, 32, 64 or 128");
  }
  if (shape.head_dim < 1 || shape.head_dim > 512) {
    return invalid("create page pool: head_dim is ", shape.head_dim, ", not in 1..512");
  }
  int largest = 0;
  for (const int count : options.page_count) {
    if (count < 0) return invalid("create page pool: page_count is ", count);
    largest = std::max(largest, count);
  }
  if (largest == 0) return invalid("create page pool: page_count is 0 for every format");
  return Done{};
}

// Makes every OS page of the region present, as zeros.
Status touch(std::byte* memory, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (::madvise(memory, bytes, MADV_POPULATE_WRITE) == 0) return Done{};
  if (errno == ENOMEM) return exhausted(std::strerror(errno));
#endif
  const auto step = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t offset = 0; offset < bytes; offset += step) {
    *const_cast<volatile std::byte*>(memory + offset) = std::byte{0};
  }
  return Done{};
}

// An anonymous mapping of `bytes`, a multiple of the huge page, that starts on a huge page.
Result<std::byte*> map_aligned(std::size_t bytes) {
  const std::size_t mapped_bytes = bytes + kHugePageBytes;
  void* mapping =
      ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return exhausted(std::strerror(errno));
  auto* const begin = static_cast<std::byte*>(mapping);
  const auto address = reinterpret_cast<std::uintptr_t>(mapping);
  const std::size_t head = round_up(address, kHugePageBytes) - address;
  if (head > 0) ::munmap(begin, head);
  ::munmap(begin + head + bytes, kHugePageBytes - head);
  ::madvise(begin + head, bytes, MADV_HUGEPAGE);  // a wish: small pages serve as well, slower
  return begin + head;
}

// Bytes of one format's region; regions begin on a huge page.
std::size_t region_bytes(const PagePoolOptions& options, KvFormat format) {
  const auto count = static_cast<std::size_t>(options.page_count[index_of(format)]);
  return round_up(count * options.shape.bytes(format), kHugePageBytes);
}

}  // namespace

std::size_t PageShape::values_offset(KvFormat format) const {
  const std::size_t element_bytes = format == KvFormat::kF16 ? 2 : 1;
  const std::size_t elements = static_cast<std::size_t>(head_dim) * page_tokens;
  return round_up(elements * element_bytes, kPageAlignment);
}

std::size_t PageShape::key_scales_offset() const {
  return values_offset(KvFormat::kQ8) + static_cast<std::size_t>(head_dim) * page_tokens;
}

std::size_t PageShape::value_scales_offset() const {
  return key_scales_offset() + std::size_t{2} * page_tokens;
}

std::size_t PageShape::bytes(KvFormat format) const {
  if (format == KvFormat::kF16) return 2 * values_offset(format);
  return round_up(value_scales_offset() + std::size_t{2} * page_tokens, kPageAlignment);
}

Result<std::unique_ptr<PagePool>> PagePool::create(const PagePoolOptions& options) {
  REDKNOT_RETURN_IF_ERROR(check_options(options));
  const std::size_t bytes =
      region_bytes(options, KvFormat::kF16) + region_bytes(options, KvFormat::kQ8);
  const std::size_t available = available_bytes();
  const std::string attempt = concat("allocate ", to_mib(bytes), " MiB of KV pages");
  if (bytes > available) {
    return exhausted(to_mib(available), " MiB of memory are available").within(attempt);
  }
  auto memory = map_aligned(bytes);
  if (!memory.ok()) return memory.error().within(attempt);
  // From here on the pool owns the mapping.
  std::unique_ptr<PagePool> pool(new PagePool(options, *memory, bytes));
  const Status touched = touch(*memory, bytes);
  if (!touched.ok()) return touched.error().within(attempt);
  return pool;
}

PagePool::PagePool(const PagePoolOptions& options, std::byte* memory, std::size_t memory_bytes)
    : shape_(options.shape), memory_(memory), memory_bytes_(memory_bytes) {
  std::uint32_t first_page = 0;
  std::byte* next = memory;
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8}) {
    Region& region = regions_[index_of(format)];
    region.first_page = first_page;
    region.bytes = next;
    region.page_bytes = shape_.bytes(format);
    region.page_count = options.page_count[index_of(format)];
    first_page += static_cast<std::uint32_t>(region.page_count);
    next += region_bytes(options, format);
    // Taken from the back: pages are handed out in address order at first.
    region.free.reserve(static_cast<std::size_t>(region.page_count));
    for (std::uint32_t page = first_page; page > region.first_page; --page) {
      region.free.push_back(PageId{page - 1});
    }
  }
  counts_.assign(first_page, 0);
}

PagePool::~PagePool() { ::munmap(memory_, memory_bytes_); }

int PagePool::total_pages(KvFormat format) const { return regions_[index_of(format)].page_count; }

int PagePool::free_pages(KvFormat format) const {
  return static_cast<int>(regions_[index_of(format)].free.size());
}

Result<PageId> PagePool::allocate(KvFormat format) {
  Region& region = regions_[index_of(format)];
  if (region.free.empty()) {
    return exhausted("allocate KV page: all ", region.page_count, " pages of its format are used");
  }
  const PageId page = region.free.back();
  region.free.pop_back();
  counts_[index_of(page)] = 1;
  return page;
}

void PagePool::share(PageId page) {
  REDKNOT_CHECK(reference_count(page) > 0);
  REDKNOT_CHECK(reference_count(page) < std::numeric_limits<int>::max());
  ++counts_[index_of(page)];
}

void PagePool::release(PageId page) {
  REDKNOT_CHECK(reference_count(page) > 0);
  if (--counts_[index_of(page)] == 0) regions_[index_of(format(page))].free.push_back(page);
}

int PagePool::reference_count(PageId page) const {
  REDKNOT_CHECK(index_of(page) < counts_.size());
  return static_cast<int>(counts_[index_of(page)]);
}

KvFormat PagePool::format(PageId page) const {
  REDKNOT_DCHECK(index_of(page) < counts_.size());
  const std::uint32_t first_q8 = regions_[index_of(KvFormat::kQ8)].first_page;
  return static_cast<std::uint32_t>(page) < first_q8 ? KvFormat::kF16 : KvFormat::kQ8;
}

const std::byte* PagePool::bytes(PageId page) const {
  const Region& region = regions_[index_of(format(page))];
  return region.bytes + (index_of(page) - region.first_page) * region.page_bytes;
}

std::byte* PagePool::bytes(PageId page) {
  return const_cast<std::byte*>(static_cast<const PagePool&>(*this).bytes(page));
}

bool PagePool::check() const {
  std::vector<bool> listed(counts_.size(), false);
  for (const Region& region : regions_) {
    for (const PageId page : region.free) {
      const std::size_t index = index_of(page);
      if (index < region.first_page) return false;
      if (index - region.first_page >= static_cast<std::size_t>(region.page_count)) return false;
      if (listed[index]) return false;
      listed[index] = true;
    }
  }
  // (1) and (2): each page is listed once or referenced, never both.
  for (std::size_t index = 0; index < counts_.size(); ++index) {
    if (listed[index] != (counts_[index] == 0)) return false;
  }
  return true;
}

}  // namespace redknot
