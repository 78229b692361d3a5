// SPDX-License-Identifier: Apache-2.0
// The keys and values of a run of tokens, computed once and reusable elsewhere: pages of every
// (layer, KV head), rotated as if the run stood at its canonical position. Sequences adopt them by
// reference under a shift; nothing is copied and nothing is rotated again (docs/adr/0002).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kv/page_allocator.h"
#include "kv/sequence_kv.h"

namespace redknot {

// Holds a reference on each of its pages. Move-only; used by the step loop only.
class Segment {
 public:
  // The positions of the range in a sequence that still has all of them, from a page's first slot
  // to its end() or that of the sequence. The allocator must outlive the object.
  Segment(PageAllocator& pages, const SequenceKv& sequence, PositionRange positions);
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  ~Segment();

  int tokens() const { return positions_.end - positions_.begin; }
  // Where its first token was rotated.
  int canonical_position() const { return positions_.begin; }

  // Where pages of the segment begin and end, from its first token on: the same for all heads.
  std::span<const PositionRange> pages() const { return ranges_; }
  PageCounts page_count() const;

  // Appends the segment to a sequence of the same layers, heads and formats.
  void adopt_into(SequenceKv& sequence) const;

 private:
  PageAllocator* allocator_;
  PositionRange positions_;
  int layers_ = 0, kv_heads_ = 0;
  std::vector<PageId> ids_;            // [layers, kv_heads, pages]
  std::vector<PositionRange> ranges_;  // [pages]
};

}  // namespace redknot
