// SPDX-License-Identifier: Apache-2.0
// Names of pages, and who holds them: ids, counts and formats, and no memory.
//
// A page is an identity: the keys and values of a few tokens under one (layer, KV head). A frame is
// a place in memory where the bytes of one page are now (kv/page_memory.h). An allocated page has a
// frame from the start. A declared page has none: a tier may have its bytes (its home), and it may
// be given a frame later. A page without a frame may be named in caches, and no step is planned
// with it.
//
// A page is held by running sequences, which use it, and by what is kept for reuse, which keeps it.
// The engine owns the one allocator; the scheduler, the cache and page tables name its pages. Used
// by the step loop only.
//
// Invariants: (1) free + used frames = total, per format; (2) a page exists iff somebody holds it;
// (3) a frame belongs to at most one page; (4) a page without a frame has a home.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "kv/page_shape.h"
#include "redknot/result.h"

namespace redknot {

enum class PageId : std::uint32_t {};
enum class FrameId : std::uint32_t {};
inline constexpr FrameId kNoFrame{0xffffffff};

// Who holds a page: a running sequence, which reads it in every step; or a segment or a prefix that
// is kept for reuse, which only wants it to exist.
enum class Hold : std::uint8_t { kUses, kKeeps };

// Where a tier has the bytes of a page: a page of an object of the store. Object 0: no tier has it.
struct Home {
  std::uint32_t object = 0, page = 0;
  bool operator==(const Home&) const = default;
};

class PageAllocator {
 public:
  // The errors of check(PageOptions).
  static Result<std::unique_ptr<PageAllocator>> create(const PageOptions& options);
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  const PageShape& shape() const { return shape_; }
  int total_pages(KvFormat format) const;  // frames
  int free_pages(KvFormat format) const;   // frames that no page has
  PageCounts total_pages() const;
  PageCounts free_pages() const;

  // A page with a frame, held once; or kResourceExhausted. What the frame holds is whatever was
  // there. O(1).
  Result<PageId> allocate(KvFormat format, Hold hold = Hold::kUses);
  // A page without a frame, kept once, whose bytes a tier has. Requires home.object != 0.
  PageId declare(KvFormat format, Home home);

  // Holds it once more, or once less; a page that nobody holds is no more, and its frame is free.
  // Require that somebody holds it, in release() in this way.
  void share(PageId page, Hold hold = Hold::kUses);
  void release(PageId page, Hold hold = Hold::kUses);
  int reference_count(PageId page) const;  // uses and keeps
  int uses(PageId page) const;

  KvFormat format(PageId page) const;
  FrameId frame(PageId page) const;  // kNoFrame if it has none
  bool resident(PageId page) const { return frame(page) != kNoFrame; }
  Home home(PageId page) const;
  // A tier has its bytes from now on; or, with object 0, no longer has. Requires a frame then.
  void set_home(PageId page, Home home);

  // Gives a page that has none a frame, whose bytes are then to be filled; or kResourceExhausted.
  Status give_frame(PageId page);
  // Takes it back. Requires a frame, a home, and that no running sequence uses the page.
  void take_frame(PageId page);

  // True if the invariants hold. O(pages).
  bool check() const;

 private:
  // What is known of a page; nobody holds it: its id is free.
  struct Page {
    std::uint32_t uses = 0, keeps = 0;
    KvFormat format = KvFormat::kF16;
    FrameId frame = kNoFrame;
    Home home{};
  };
  explicit PageAllocator(const PageOptions& options);
  PageId new_page(KvFormat format);
  const Page& at(PageId page) const;
  Page& at(PageId page);

  PageShape shape_;
  PageCounts frame_count_;
  std::array<std::vector<FrameId>, kKvFormatCount> free_frames_;
  std::vector<Page> pages_;  // by PageId
  std::vector<PageId> free_ids_;
};

}  // namespace redknot
