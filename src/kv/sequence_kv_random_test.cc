// SPDX-License-Identifier: Apache-2.0
// Random histories of several sequences against the simplest model of them: for every sequence and
// head, the marker that was written at each position.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kv/page_memory.h"
#include "kv/sequence_kv.h"

namespace redknot {
namespace {

constexpr int kLayers = 2;
constexpr int kPoolPages = 60;  // per format; few enough to run out
constexpr int kSteps = 400;
constexpr std::size_t kMostSequences = 6;

using Markers = std::vector<std::uint64_t>;  // by position

struct ModelledSequence {
  SequenceKv kv;
  std::vector<Markers> expected;  // by head
};

struct Case {
  std::string name;
  HeadProfile profile;
};

HeadPolicy local(int sink_tokens, int window_tokens) {
  return {.head_class = HeadClass::kLocal,
          .sink_tokens = sink_tokens,
          .window_tokens = window_tokens,
          .kv_format = kKvFormats[static_cast<std::size_t>(window_tokens % kKvFormatCount)]};
}

std::vector<Case> cases() {
  HeadProfile mixed = uniform_profile(kLayers, 2, {});
  mixed.policies[1] = local(4, 30);
  mixed.policies[2] = local(0, 17);
  return {{"all global", uniform_profile(kLayers, 2, {})},
          {"all local", uniform_profile(kLayers, 2, local(4, 40))},
          {"mixed", mixed},
          {"window smaller than sink", uniform_profile(kLayers, 2, local(50, 9))},
          {"window 1", uniform_profile(kLayers, 2, local(4, 1))},
          {"window 1, sink 0", uniform_profile(kLayers, 2, local(0, 1))},
          {"sink 0", uniform_profile(kLayers, 2, local(0, 33))},
          {"one KV head", uniform_profile(kLayers, 1, local(16, 64))}};
}

// True if the table's first entries hold positions [0, tokens), all pages full but the last.
bool starts_with_whole_pages(const PageTable& table, int tokens, int page_tokens) {
  int position = 0;
  for (const PageRef& entry : table) {
    if (entry.position != position) return false;
    if (entry.end() >= tokens) return true;
    if (entry.tokens != page_tokens) return false;
    position = entry.end();
  }
  return false;
}

class World {
 public:
  World(HeadProfile profile, int page_tokens, unsigned seed)
      : profile_(std::move(profile)), random_(seed) {
    const PageOptions options{.shape = {.page_tokens = page_tokens, .head_dim = 8},
                              .page_count = {kPoolPages, kPoolPages, kPoolPages, kPoolPages}};
    pool_ = PageAllocator::create(options).value();
    memory_ = PageMemory::create(options).value();
  }

  void step() {
    if (sequences_.empty()) return create();
    const std::size_t at = random_() % sequences_.size();
    switch (random_() % 14) {
      case 0:
        return create();
      case 1:
        return fork(at);
      case 2:
        return destroy(at);
      case 3:
      case 4:
        return adopt(at, random_() % sequences_.size());
      case 5:
      case 6:
        return forget(at, draw(0, sequences_[at].kv.length()));
      case 7:
        return forget(at, sequences_[at].kv.length());
      case 8:
        return sequences_[at].kv.end_page();
      case 9:
        return recover(at);
      default:
        return extend(at, draw(1, random_() % 3 == 0 ? 70 : 5));
    }
  }

  void check() const {
    ASSERT_TRUE(pool_->check());
    std::map<PageId, int> references;
    for (const ModelledSequence& sequence : sequences_) {
      ASSERT_TRUE(sequence.kv.check());
      for (int head = 0; head < head_count(); ++head) {
        ASSERT_NO_FATAL_FAILURE(check_markers(sequence, head));
        for (const PageRef& entry : table(sequence.kv, head)) ++references[entry.page];
      }
    }
    for (const auto& [page, count] : references) ASSERT_EQ(pool_->reference_count(page), count);
    int used = 0;
    for (const int free : free_pages()) used += kPoolPages - free;
    ASSERT_EQ(used, static_cast<int>(references.size()));
  }

  int refused() const { return refused_; }
  void clear() { sequences_.clear(); }

 private:
  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }
  int head_count() const { return static_cast<int>(profile_.policies.size()); }
  const PageTable& table(const SequenceKv& kv, int head) const {
    return kv.table(head / profile_.kv_heads, head % profile_.kv_heads);
  }

  // The marker of a slot lies in the first bytes of its value row.
  std::byte* slot(const PageRef& entry, int position) const {
    constexpr std::array kElementBytes = {2, 1, 4};
    const PageShape& shape = pool_->shape();
    const KvFormat format = pool_->format(entry.page);
    const int row_bytes = shape.head_dim * kElementBytes[index_of(format)];
    return memory_->bytes(entry.frame) + shape.values_offset(format) +
           static_cast<std::ptrdiff_t>(position - entry.position) * row_bytes;
  }

  // Every entry holds what was written there, at a position rightly shifted, and what a query at
  // the end sees is there.
  void check_markers(const ModelledSequence& sequence, int head) const {
    const Markers& expected = sequence.expected[static_cast<std::size_t>(head)];
    const int length = sequence.kv.length();
    ASSERT_EQ(static_cast<std::size_t>(length), expected.size());
    std::vector<bool> held(expected.size(), false);
    for (const PageRef& entry : table(sequence.kv, head)) {
      for (int position = entry.position; position < entry.end(); ++position) {
        std::uint64_t marker = 0;
        std::memcpy(&marker, slot(entry, position), sizeof marker);
        ASSERT_EQ(marker, expected[static_cast<std::size_t>(position)]);
        held[static_cast<std::size_t>(position)] = true;
      }
    }
    const HeadPolicy& policy = profile_.policies[static_cast<std::size_t>(head)];
    for (int position = 0; position < length; ++position) {
      if (still_needed(policy, length).contains(position)) {
        ASSERT_TRUE(held[static_cast<std::size_t>(position)]);
      }
    }
  }

  void create() {
    if (sequences_.size() == kMostSequences) return destroy(random_() % sequences_.size());
    sequences_.push_back({.kv = SequenceKv(*pool_, profile_, {&ops_}),
                          .expected = std::vector<Markers>(profile_.policies.size())});
  }

  void fork(std::size_t at) {
    if (sequences_.size() == kMostSequences) return;
    ModelledSequence copy{.kv = sequences_[at].kv.fork({&ops_}),
                          .expected = sequences_[at].expected};
    sequences_.push_back(std::move(copy));
  }

  void destroy(std::size_t at) {
    std::swap(sequences_[at], sequences_.back());
    sequences_.pop_back();
  }

  void forget(std::size_t at, int next) { sequences_[at].kv.forget(next); }

  void extend(std::size_t at, int tokens) {
    ModelledSequence& sequence = sequences_[at];
    const std::array<int, kKvFormatCount> wanted = sequence.kv.pages_to_extend(tokens);
    const std::array<int, kKvFormatCount> free = free_pages();
    const std::vector<PageTable> before = tables(sequence.kv);
    const int length = sequence.kv.length();
    std::array<int, kKvFormatCount> left = {};
    std::transform(free.begin(), free.end(), wanted.begin(), left.begin(), std::minus<>());
    const bool fits = *std::min_element(left.begin(), left.end()) >= 0;
    ASSERT_EQ(sequence.kv.extend(tokens).ok(), fits);
    if (!fits) {
      ++refused_;
      ASSERT_EQ(tables(sequence.kv), before);
      ASSERT_EQ(sequence.kv.length(), length);
      ASSERT_EQ(free_pages(), free);
      return destroy(at);
    }
    ASSERT_EQ(sequence.kv.length(), length + tokens);
    ASSERT_EQ(free_pages(), left);
    copy_shared_pages();
    write_markers(sequence, length);
  }

  // As an executor does before it writes.
  void copy_shared_pages() {
    for (const PageOp& op : ops_) {
      if (op.kind == PageOp::Kind::kCopy) memory_->copy(op.from, op.entry.frame);
    }
    ops_.clear();
  }

  // Writes a new marker at each position from `begin` on, as a step would write keys and values.
  void write_markers(ModelledSequence& sequence, int begin) {
    for (int head = 0; head < head_count(); ++head) {
      Markers& expected = sequence.expected[static_cast<std::size_t>(head)];
      expected.resize(static_cast<std::size_t>(sequence.kv.length()));
      for (const PageRef& entry : table(sequence.kv, head)) {
        write_entry(sequence, head, entry, begin);
      }
    }
  }

  // A new marker in each slot of an entry from position `begin` on.
  void write_entry(ModelledSequence& sequence, int head, const PageRef& entry, int begin) {
    if (begin < entry.end()) {
      ASSERT_EQ(entry.shift, 0);
    }
    write_slots(sequence, head, entry, {begin, entry.end()});
  }
  void write_slots(ModelledSequence& sequence, int head, const PageRef& entry,
                   PositionRange range) {
    Markers& expected = sequence.expected[static_cast<std::size_t>(head)];
    const int end = std::min(range.end, entry.end());
    for (int position = std::max(range.begin, entry.position); position < end; ++position) {
      ASSERT_FALSE(entry.reused);
      ASSERT_EQ(pool_->reference_count(entry.page), 1);
      expected[static_cast<std::size_t>(position)] = ++last_marker_;
      std::memcpy(slot(entry, position), &last_marker_, sizeof last_marker_);
    }
  }

  // Own pages for some adopted ones of one head, with new markers in the slots that are recovered.
  void recover(std::size_t at) {
    ModelledSequence& sequence = sequences_[at];
    const int head = draw(0, head_count() - 1);
    const int begin = draw(0, sequence.kv.length());
    const PositionRange range{begin, begin + draw(0, 40)};
    const std::vector<PageTable> before = tables(sequence.kv);
    const int layer = head / profile_.kv_heads, kv_head = head % profile_.kv_heads;
    const std::vector<PositionRange> ranges(range.empty() ? 0 : 1, range);
    if (!sequence.kv.recover(layer, kv_head, ranges).ok()) {
      ++refused_;
      ASSERT_EQ(tables(sequence.kv), before);
      return;
    }
    copy_shared_pages();
    const PageTable& after = table(sequence.kv, head);
    for (std::size_t i = 0; i < after.size(); ++i) {
      const PageRef& old = before[static_cast<std::size_t>(head)][i];
      const bool concerned =
          old.reused && old.position < range.end && old.end() > range.begin && !range.empty();
      ASSERT_EQ(after[i] == old, !concerned);
      if (!concerned) continue;
      const bool wholly = range.begin <= old.position && range.end >= old.end();
      ASSERT_EQ(after[i].shift, wholly ? 0 : old.shift);
      write_slots(sequence, head, after[i], range);
    }
  }

  // Adopts the first tokens of a donor that has forgotten nothing and stands on whole pages.
  void adopt(std::size_t at, std::size_t donor_at) {
    ModelledSequence& sequence = sequences_[at];
    const ModelledSequence& donor = sequences_[donor_at];
    if (donor.kv.length() == 0) return;
    const int tokens = draw(1, donor.kv.length());
    const int page_tokens = pool_->shape().page_tokens;
    for (const PageTable& pages : tables(donor.kv)) {
      if (!starts_with_whole_pages(pages, tokens, page_tokens)) return;
    }
    const int shift = draw(0, 2) == 0 ? 0 : sequence.kv.length();
    for (int head = 0; head < head_count(); ++head) {
      adopt_head(sequence, donor, {.head = head, .tokens = tokens, .shift = shift});
    }
    sequence.kv.advance(tokens);
  }

  struct Adoption {
    int head = 0;
    int tokens = 0;
    int shift = 0;
  };
  void adopt_head(ModelledSequence& sequence, const ModelledSequence& donor,
                  const Adoption& adoption) {
    const auto head = static_cast<std::size_t>(adoption.head);
    const int page_tokens = pool_->shape().page_tokens;
    std::vector<PageId> pages;
    for (int first = 0; first < adoption.tokens; first += page_tokens) {
      pages.push_back(
          table(donor.kv, adoption.head)[static_cast<std::size_t>(first / page_tokens)].page);
    }
    const Markers adopted(donor.expected[head].begin(),
                          donor.expected[head].begin() + adoption.tokens);
    sequence.kv.adopt(adoption.head / profile_.kv_heads, adoption.head % profile_.kv_heads, pages,
                      adoption.tokens, adoption.shift);
    Markers& expected = sequence.expected[head];
    expected.insert(expected.end(), adopted.begin(), adopted.end());
  }

  std::array<int, kKvFormatCount> free_pages() const {
    std::array<int, kKvFormatCount> free = {};
    for (const KvFormat format : kKvFormats) free[index_of(format)] = pool_->free_pages(format);
    return free;
  }

  std::vector<PageTable> tables(const SequenceKv& kv) const {
    std::vector<PageTable> out;
    for (int head = 0; head < head_count(); ++head) out.push_back(table(kv, head));
    return out;
  }

  HeadProfile profile_;
  std::mt19937 random_;
  std::unique_ptr<PageAllocator> pool_;
  std::unique_ptr<PageMemory> memory_;
  std::vector<PageOp> ops_;
  std::vector<ModelledSequence> sequences_;  // after the pool: they release into it
  std::uint64_t last_marker_ = 0;
  int refused_ = 0;
};

TEST(SequenceKvRandom, TablesHoldWhatWasWrittenWhateverHappens) {
  const unsigned first_seed = std::random_device()();
  int refused = 0;
  for (const int page_tokens : {16, 32, 64, 128}) {
    for (const Case& one : cases()) {
      const unsigned seed = first_seed + static_cast<unsigned>(page_tokens);
      SCOPED_TRACE(testing::Message()
                   << one.name << ", pages of " << page_tokens << ", seed " << seed);
      World world(one.profile, page_tokens, seed);
      for (int step = 0; step < kSteps; ++step) {
        ASSERT_NO_FATAL_FAILURE(world.step());
        ASSERT_NO_FATAL_FAILURE(world.check());
      }
      refused += world.refused();
      world.clear();
      ASSERT_NO_FATAL_FAILURE(world.check());
    }
  }
  EXPECT_GT(refused, 0) << "no history ran out of pages, seed " << first_seed;
}

}  // namespace
}  // namespace redknot
