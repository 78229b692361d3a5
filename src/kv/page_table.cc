// SPDX-License-Identifier: Apache-2.0
#include "kv/page_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

// The entry that stands at a position.
PageTable::iterator entry_at(PageTable& table, int position) {
  const auto at =
      std::lower_bound(table.begin(), table.end(), position,
                       [](const PageRef& entry, int wanted) { return entry.position < wanted; });
  REDKNOT_CHECK(at != table.end() && at->position == position);
  return at;
}

void apply_to(PageTable& table, const PageOp& op) {
  switch (op.kind) {
    case PageOp::Kind::kAppend:
      REDKNOT_DCHECK(table.empty() || table.back().end() <= op.entry.position);
      table.push_back(op.entry);
      return;
    case PageOp::Kind::kFill:
      REDKNOT_CHECK(!table.empty());
      table.back().tokens = op.entry.tokens;
      table.back().reused = false;
      return;
    case PageOp::Kind::kCopy:
    case PageOp::Kind::kReplace:
      *entry_at(table, op.entry.position) = op.entry;
      return;
    case PageOp::Kind::kDrop:
      table.erase(entry_at(table, op.entry.position));
      return;
    case PageOp::Kind::kTruncate:
      while (!table.empty() && table.back().position >= op.entry.position) table.pop_back();
      return;
  }
}

}  // namespace

bool covers(const PageTable& table, PositionRange range) {
  for (const PageRef& entry : table) {
    if (entry.position <= range.begin) range.begin = std::max(range.begin, entry.end());
  }
  return range.empty();
}

std::string to_string(const PageOp& op) {
  constexpr std::array kNames = {"append", "fill", "copy", "replace", "drop", "truncate"};
  const std::string head = op.head == PageOp::kAllHeads ? "all heads" : concat("head ", op.head);
  return concat("sequence ", static_cast<std::uint32_t>(op.sequence), ", ", head, ": ",
                kNames[static_cast<std::size_t>(op.kind)], " page ",
                static_cast<std::uint32_t>(op.entry.page), " at ", op.entry.position, ", ",
                op.entry.tokens, " tokens, shift ", op.entry.shift,
                op.entry.reused ? ", reused" : "");
}

PageTables::PageTables(const HeadProfile& profile)
    : profile_(&profile), tables_(profile.policies.size()) {
  REDKNOT_CHECK(profile.policies.size() ==
                static_cast<std::size_t>(profile.layers) * profile.kv_heads);
}

const PageTable& PageTables::at(int layer, int kv_head) const {
  REDKNOT_CHECK(layer >= 0 && layer < profile_->layers);
  REDKNOT_CHECK(kv_head >= 0 && kv_head < profile_->kv_heads);
  return tables_[static_cast<std::size_t>(layer) * profile_->kv_heads + kv_head];
}

void PageTables::apply(const PageOp& op) {
  if (op.head != PageOp::kAllHeads) {
    REDKNOT_CHECK(op.head >= 0 && op.head < heads());
    apply_to(tables_[static_cast<std::size_t>(op.head)], op);
    return;
  }
  for (PageTable& table : tables_) apply_to(table, op);
}

}  // namespace redknot
