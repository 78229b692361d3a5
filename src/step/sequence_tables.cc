// SPDX-License-Identifier: Apache-2.0
#include "step/sequence_tables.h"

#include "base/check.h"

namespace redknot {

void SequenceTables::apply(std::span<const PageOp> ops, const Copy& copy) {
  for (const PageOp& op : ops) {
    if (op.kind == PageOp::Kind::kTruncate && op.entry.position == 0) {
      tables_.erase(op.sequence);
      continue;
    }
    if (op.kind == PageOp::Kind::kCopy) copy(op.from, op.entry.frame);
    tables_.try_emplace(op.sequence, profile_).first->second.apply(op);
  }
}

const PageTables& SequenceTables::of(SequenceId sequence) const {
  const auto found = tables_.find(sequence);
  REDKNOT_CHECK(found != tables_.end());
  return found->second;
}

}  // namespace redknot
