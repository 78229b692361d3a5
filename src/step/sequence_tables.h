// SPDX-License-Identifier: Apache-2.0
// The page tables of the sequences that plans name, kept in step with the changes that the plans
// list: the part that all executors share. An executor owns one; the thread that runs plans uses
// it.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>

#include "heads/head_profile.h"
#include "kv/page_table.h"

namespace redknot {

class SequenceTables {
 public:
  // The profile must outlive the object.
  explicit SequenceTables(const HeadProfile& profile) : profile_(profile) {}

  // Applies changes in their order. `copy` copies the bytes of one frame to another. A sequence is
  // known from its first change on, until it is truncated at 0.
  using Copy = std::function<void(FrameId from, FrameId to)>;
  void apply(std::span<const PageOp> ops, const Copy& copy);

  // Requires that the sequence is known. Valid until the next apply().
  const PageTables& of(SequenceId sequence) const;
  std::size_t sequences() const { return tables_.size(); }

 private:
  const HeadProfile& profile_;
  std::unordered_map<SequenceId, PageTables> tables_;
};

}  // namespace redknot
