// SPDX-License-Identifier: Apache-2.0
#include "kv/page_memory.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

static_assert(sizeof(std::size_t) == 8, "page counts times page bytes must not overflow");

std::size_t index_of(FrameId frame) { return static_cast<std::size_t>(frame); }

// Bytes of one format's region; regions begin on a huge page.
std::size_t region_bytes(const PageOptions& options, KvFormat format) {
  const auto count = static_cast<std::size_t>(options.page_count[index_of(format)]);
  const std::size_t bytes = count * options.shape.bytes(format);
  return (bytes + HugeBuffer::kAlignment - 1) / HugeBuffer::kAlignment * HugeBuffer::kAlignment;
}

}  // namespace

Result<std::unique_ptr<PageMemory>> PageMemory::create(const PageOptions& options) {
  REDKNOT_RETURN_IF_ERROR(check(options));
  std::size_t bytes = 0;
  for (const KvFormat format : kKvFormats) bytes += region_bytes(options, format);
  Result<HugeBuffer> memory = HugeBuffer::allocate(bytes);
  if (!memory.ok()) return memory.error().within("create page pool");
  const Status populated = memory->populate();
  if (!populated.ok()) return populated.error().within("create page pool");
  return std::unique_ptr<PageMemory>(new PageMemory(options, std::move(*memory)));
}

PageMemory::PageMemory(const PageOptions& options, HugeBuffer memory)
    : shape_(options.shape), memory_(std::move(memory)) {
  std::uint32_t first_frame = 0;
  std::byte* next = memory_.bytes().data();
  for (const KvFormat format : kKvFormats) {
    const auto count = static_cast<std::uint32_t>(options.page_count[index_of(format)]);
    regions_[index_of(format)] = {.first_frame = first_frame,
                                  .frame_count = count,
                                  .bytes = next,
                                  .frame_bytes = shape_.bytes(format)};
    first_frame += count;
    next += region_bytes(options, format);
  }
}

std::uint32_t PageMemory::frames() const {
  return regions_.back().first_frame + regions_.back().frame_count;
}

KvFormat PageMemory::format(FrameId frame) const {
  REDKNOT_DCHECK(index_of(frame) < frames());
  KvFormat last = kKvFormats.front();
  for (const KvFormat format : kKvFormats) {
    if (index_of(frame) >= regions_[index_of(format)].first_frame) last = format;
  }
  return last;
}

const std::byte* PageMemory::bytes(FrameId frame) const {
  const Region& region = regions_[index_of(format(frame))];
  return region.bytes + (index_of(frame) - region.first_frame) * region.frame_bytes;
}

std::byte* PageMemory::bytes(FrameId frame) {
  return const_cast<std::byte*>(static_cast<const PageMemory&>(*this).bytes(frame));
}

void PageMemory::copy(FrameId from, FrameId to) {
  REDKNOT_CHECK(format(from) == format(to));
  std::memcpy(bytes(to), bytes(from), shape_.bytes(format(to)));
}

}  // namespace redknot
