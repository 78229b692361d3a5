// SPDX-License-Identifier: Apache-2.0
#include "kv/page_allocator.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

std::size_t index_of(PageId page) { return static_cast<std::size_t>(page); }

}  // namespace

Result<std::unique_ptr<PageAllocator>> PageAllocator::create(const PageOptions& options) {
  REDKNOT_RETURN_IF_ERROR(redknot::check(options));
  return std::unique_ptr<PageAllocator>(new PageAllocator(options));
}

// Frames are numbered format by format, as PageMemory cuts its memory. They are taken from the
// back, so that pages are handed out in the order of their addresses at first.
PageAllocator::PageAllocator(const PageOptions& options)
    : shape_(options.shape), frame_count_(options.page_count) {
  std::uint32_t next = 0;
  for (const KvFormat format : kKvFormats) {
    const auto count = static_cast<std::uint32_t>(total_pages(format));
    std::vector<FrameId>& free = free_frames_[index_of(format)];
    free.reserve(count);
    for (std::uint32_t frame = next + count; frame > next; --frame) {
      free.push_back(FrameId{frame - 1});
    }
    next += count;
  }
}

int PageAllocator::total_pages(KvFormat format) const { return frame_count_[index_of(format)]; }

int PageAllocator::free_pages(KvFormat format) const {
  return static_cast<int>(free_frames_[index_of(format)].size());
}

PageCounts PageAllocator::total_pages() const { return frame_count_; }

PageCounts PageAllocator::free_pages() const {
  PageCounts free{};
  for (const KvFormat format : kKvFormats) free[index_of(format)] = free_pages(format);
  return free;
}

const PageAllocator::Page& PageAllocator::at(PageId page) const {
  REDKNOT_CHECK(index_of(page) < pages_.size());
  return pages_[index_of(page)];
}

PageAllocator::Page& PageAllocator::at(PageId page) {
  REDKNOT_CHECK(index_of(page) < pages_.size());
  return pages_[index_of(page)];
}

PageId PageAllocator::new_page(KvFormat format) {
  PageId page{static_cast<std::uint32_t>(pages_.size())};
  if (free_ids_.empty()) {
    pages_.emplace_back();
  } else {
    page = free_ids_.back();
    free_ids_.pop_back();
  }
  at(page) = {.format = format};
  return page;
}

Result<PageId> PageAllocator::allocate(KvFormat format, Hold hold) {
  std::vector<FrameId>& free = free_frames_[index_of(format)];
  if (free.empty()) {
    return exhausted("allocate KV page: all ", total_pages(format),
                     " pages of its format are used");
  }
  const PageId page = new_page(format);
  at(page).frame = free.back();
  free.pop_back();
  ++(hold == Hold::kUses ? at(page).uses : at(page).keeps);
  return page;
}

PageId PageAllocator::declare(KvFormat format, Home home) {
  REDKNOT_CHECK(home.object != 0);
  const PageId page = new_page(format);
  at(page).home = home;
  at(page).keeps = 1;
  return page;
}

void PageAllocator::share(PageId page, Hold hold) {
  REDKNOT_CHECK(reference_count(page) > 0);
  REDKNOT_CHECK(reference_count(page) < std::numeric_limits<int>::max());
  ++(hold == Hold::kUses ? at(page).uses : at(page).keeps);
}

void PageAllocator::release(PageId page, Hold hold) {
  REDKNOT_CHECK(reference_count(page) > 0);
  Page& own = at(page);
  std::uint32_t& count = hold == Hold::kUses ? own.uses : own.keeps;
  REDKNOT_CHECK(count > 0);
  --count;
  if (own.uses + own.keeps > 0) return;
  if (own.frame != kNoFrame) free_frames_[index_of(own.format)].push_back(own.frame);
  own = {};
  free_ids_.push_back(page);
}

int PageAllocator::reference_count(PageId page) const {
  return static_cast<int>(at(page).uses + at(page).keeps);
}

int PageAllocator::uses(PageId page) const { return static_cast<int>(at(page).uses); }
KvFormat PageAllocator::format(PageId page) const { return at(page).format; }
FrameId PageAllocator::frame(PageId page) const { return at(page).frame; }
Home PageAllocator::home(PageId page) const { return at(page).home; }

void PageAllocator::set_home(PageId page, Home home) {
  REDKNOT_CHECK(reference_count(page) > 0);
  REDKNOT_CHECK(home.object != 0 || resident(page));
  at(page).home = home;
}

Status PageAllocator::give_frame(PageId page) {
  REDKNOT_CHECK(reference_count(page) > 0 && !resident(page));
  Page& own = at(page);
  std::vector<FrameId>& free = free_frames_[index_of(own.format)];
  if (free.empty()) {
    return exhausted("give a KV page a frame: all ", total_pages(own.format),
                     " frames of its format are used");
  }
  own.frame = free.back();
  free.pop_back();
  return Done{};
}

void PageAllocator::take_frame(PageId page) {
  Page& own = at(page);
  REDKNOT_CHECK(own.frame != kNoFrame && own.home.object != 0 && own.uses == 0);
  free_frames_[index_of(own.format)].push_back(own.frame);
  own.frame = kNoFrame;
}

bool PageAllocator::check() const {
  std::size_t frames = 0;
  for (const int count : frame_count_) frames += static_cast<std::size_t>(count);
  std::vector<bool> taken(frames, false);
  const auto take = [&](FrameId frame, KvFormat format) {  // (1), (3)
    std::size_t first = 0;
    for (const KvFormat before : kKvFormats) {
      if (before == format) break;
      first += static_cast<std::size_t>(total_pages(before));
    }
    const auto at = static_cast<std::size_t>(frame);
    if (at < first || at >= first + static_cast<std::size_t>(total_pages(format))) return false;
    if (taken[at]) return false;
    taken[at] = true;
    return true;
  };
  for (const KvFormat format : kKvFormats) {
    for (const FrameId frame : free_frames_[index_of(format)]) {
      if (!take(frame, format)) return false;
    }
  }
  std::size_t held = 0;
  for (const Page& page : pages_) {
    if (page.uses + page.keeps == 0) {
      if (page.frame != kNoFrame) return false;
      continue;
    }
    ++held;
    if (page.frame == kNoFrame && page.home.object == 0) return false;  // (4)
    if (page.frame != kNoFrame && !take(page.frame, page.format)) return false;
  }
  if (held + free_ids_.size() != pages_.size()) return false;  // (2)
  return std::all_of(taken.begin(), taken.end(), [](bool each) { return each; });
}

}  // namespace redknot
