// SPDX-License-Identifier: Apache-2.0
// Page tables, and how they change: every change is a value, so that whoever plans a step and
// whoever runs it keep equal tables by applying the same changes.
//
// A page table lists the pages of one (layer, KV head) of one sequence in position order; each
// entry says which positions its slots stand for and by how much they were shifted from where their
// keys were rotated. Attention reads tables and nothing else. SequenceKv, which also counts who
// holds the pages, makes the changes for the step loop; executors apply them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "heads/visibility.h"
#include "kv/page_allocator.h"

namespace redknot {

enum class SequenceId : std::uint32_t {};

// `tokens` filled slots of one page, from slot 0, standing at [position, position + tokens).
// The key in slot i was rotated at position + i - shift. A run is consecutive entries of one shift.
struct PageRef {
  PageId page{};
  FrameId frame = kNoFrame;  // where its bytes are; what attention reads
  int position = 0;
  int tokens = 0;
  int shift = 0;
  bool reused = false;  // adopted: this sequence reads its slots and never writes them
  int end() const { return position + tokens; }
  bool operator==(const PageRef&) const = default;
};

using PageTable = std::vector<PageRef>;

// Whether the table's entries cover every position of the range.
bool covers(const PageTable& table, PositionRange range);

// One change of the page tables of one sequence.
struct PageOp {
  enum class Kind : std::uint8_t {
    kAppend,    // `entry` comes behind the last one: a page of its own, or one it adopts (reused)
    kFill,      // the last entry holds entry.tokens in all, more than before, and is the sequence's
                // own from now on
    kCopy,      // the same as the one at its position, whose bytes, those of `from`, are copied to
                // entry.frame: a shared page is copied before some of its slots are written
    kReplace,   // `entry` takes the place of the one at its position; its slots are to be written
    kDrop,      // the entry at entry.position is given back
    kTruncate,  // of all heads, entries from entry.position on are given back; at 0, the sequence
                // has ended, and its tables with it
  };
  Kind kind = Kind::kAppend;
  SequenceId sequence{};
  int head = kAllHeads;  // layer * kv_heads + kv_head
  PageRef entry{};
  FrameId from = kNoFrame;  // kCopy
  bool operator==(const PageOp&) const = default;

  static constexpr int kAllHeads = -1;  // kFill, kTruncate
};

std::string to_string(const PageOp& op);

// The tables of all heads of one sequence. A regular value.
class PageTables {
 public:
  // Empty tables. The profile must outlive the object.
  explicit PageTables(const HeadProfile& profile);

  const HeadProfile& profile() const { return *profile_; }
  const PageTable& at(int layer, int kv_head) const;
  const PageTable& at(int head) const { return tables_[static_cast<std::size_t>(head)]; }
  int heads() const { return static_cast<int>(tables_.size()); }

  // Applies a change to the entries; bytes are not looked at. Requires that it fits.
  void apply(const PageOp& op);

  bool operator==(const PageTables& other) const { return tables_ == other.tables_; }

 private:
  const HeadProfile* profile_;
  std::vector<PageTable> tables_;  // [layers, kv_heads]
};

}  // namespace redknot
