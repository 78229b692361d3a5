// SPDX-License-Identifier: Apache-2.0
// Sequences that are put together from pages of others: adopted at other positions, recovered token
// by token and head by head, against the slow forward pass over the same keys and values.
#include <map>
#include <random>

#include "runtime/page_read.h"
#include "runtime/transformer_test.h"

namespace redknot {
namespace {

using namespace transformer_test;

class Composition : public TransformerTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, Composition, ::testing::ValuesIn(available_kernels()),
                         table_name);

HeadProfile in_f32(HeadProfile profile) {
  for (HeadPolicy& policy : profile.policies) policy.kv_format = KvFormat::kF32;
  return profile;
}

// A segment, computed behind a canonical context of its own.
struct Segment {
  Tokens context, tokens;
  SequenceKv kv;
  int first() const { return static_cast<int>(context.size()); }
  int count() const { return static_cast<int>(tokens.size()); }
};

Segment make_segment(Machine& machine, Tokens context, Tokens tokens) {
  Segment segment{std::move(context), std::move(tokens), machine.sequence()};
  if (!segment.context.empty()) machine.compute(segment.kv, segment.context);
  segment.kv.end_page();
  machine.compute(segment.kv, segment.tokens);
  return segment;
}

std::vector<PageId> pages_of(const SequenceKv& kv, int layer, int kv_head, int from) {
  std::vector<PageId> pages;
  for (const PageRef& page : kv.table(layer, kv_head)) {
    if (page.position >= from) pages.push_back(page.page);
  }
  return pages;
}

// A sequence under composition, and what the slow forward pass is to be given.
class Composed {
 public:
  Composed(const OpenModel& model, Machine& machine, const HeadProfile& profile)
      : model_(model), machine_(machine), profile_(profile), kv_(machine.sequence()) {
    reused_.keys.resize(profile.policies.size());
    reused_.values.resize(profile.policies.size());
  }

  // Tokens of its own.
  void append(const Tokens& tokens) {
    const int first = kv_.length();
    ASSERT_TRUE(kv_.extend(static_cast<int>(tokens.size())).ok());
    kv_.end_page();
    activate(first, tokens);
  }

  void adopt(const Segment& segment) {
    const int first = kv_.length();
    const int shift = first - segment.first();
    Tokens all = segment.context;
    all.insert(all.end(), segment.tokens.begin(), segment.tokens.end());
    const tests::ReusedKv own =
        tests::dense_kv(model_.config, model_.model.weights(), profile_, all);
    for (std::size_t head = 0; head < profile_.policies.size(); ++head) {
      const int layer = static_cast<int>(head) / profile_.kv_heads;
      const int kv_head = static_cast<int>(head) % profile_.kv_heads;
      kv_.adopt(layer, kv_head, pages_of(segment.kv, layer, kv_head, segment.first()),
                segment.count(), shift);
      reused_.keys[head].resize(static_cast<std::size_t>(first + segment.count()));
      reused_.values[head].resize(reused_.keys[head].size());
      for (int i = 0; i < segment.count(); ++i) {
        const auto from = static_cast<std::size_t>(segment.first() + i);
        const auto to = static_cast<std::size_t>(first + i);
        reused_.keys[head][to] = own.keys[head][from];
        reused_.values[head][to] = own.values[head][from];
      }
    }
    kv_.advance(segment.count());
  }

  // Positions of a segment at `first`, in increasing ranges: their tokens pass the layers again,
  // and what they give takes the place of what was reused in those heads for which `recomputes`
  // says so.
  template <typename Recomputes>
  void recover(const Segment& segment, int first, const std::vector<PositionRange>& ranges,
               const Recomputes& recomputes) {
    for (int head = 0; head < static_cast<int>(profile_.policies.size()); ++head) {
      if (!recomputes(head)) continue;
      ASSERT_TRUE(kv_.recover(head / profile_.kv_heads, head % profile_.kv_heads, ranges).ok());
      for (const PositionRange& range : ranges) {
        for (int i = range.begin; i < range.end; ++i) {
          reused_.keys[static_cast<std::size_t>(head)][static_cast<std::size_t>(i)].clear();
          reused_.values[static_cast<std::size_t>(head)][static_cast<std::size_t>(i)].clear();
        }
      }
    }
    for (const PositionRange& range : ranges) {
      const auto begin = segment.tokens.begin() + (range.begin - first);
      activate(range.begin, Tokens(begin, begin + (range.end - range.begin)));
    }
  }

  // Logits of all active tokens in order of their positions, in steps of so many.
  Floats compute(int step_tokens) {
    Floats logits;
    for (auto at = active_.begin(); at != active_.end();) {
      StepPlan plan;
      for (int row = 0; row < step_tokens && at != active_.end(); ++row, ++at) {
        plan.positions.push_back(at->first);
        plan.tokens.push_back(at->second);
        plan.logit_rows.push_back(row);
      }
      plan.slices = {{SequenceId{}, 0, static_cast<int>(plan.tokens.size())}};
      const Floats part = machine_.run(plan, kv_);
      logits.insert(logits.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(kv_.check());
    return logits;
  }

  std::vector<double> expected() const {
    Tokens tokens;
    std::vector<int> positions;
    for (const auto& [position, token] : active_) {
      positions.push_back(position);
      tokens.push_back(token);
    }
    return tests::composed_logits(model_.config, model_.model.weights(), profile_, tokens,
                                  positions, reused_);
  }

  SequenceKv& kv() { return kv_; }

 private:
  void activate(int first, const Tokens& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      active_[first + static_cast<int>(i)] = tokens[i];
    }
  }

  const OpenModel& model_;
  Machine& machine_;
  const HeadProfile& profile_;
  SequenceKv kv_;
  tests::ReusedKv reused_;
  std::map<int, TokenId> active_;  // by position
};

TEST_P(Composition, OfAdoptedAndRecoveredSegmentsAgreesWithTheSlowForwardPass) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    for (const bool local : {false, true}) {
      SCOPED_TRACE(concat("architecture ", static_cast<int>(architecture), ", local ", local));
      const OpenModel model = small(architecture, "F32");
      const HeadProfile profile = local ? in_f32(local_profile(model)) : global_profile(model);
      Machine machine(model, profile, on(2));
      const auto text = [&](int tokens, std::uint64_t seed) {
        return random_tokens(tokens, model.vocabulary(), seed);
      };
      // Local heads forget while a segment is computed; it must be no longer than their windows.
      const int longest = local ? 9 : 50;
      const Segment first = make_segment(machine, text(1, 1), text(longest, 2));
      const Segment second = make_segment(machine, text(5, 3), text(local ? 8 : 33, 4));
      for (const int step_tokens : {200, 7}) {
        Composed composed(model, machine, profile);
        composed.append(text(6, 5));
        composed.adopt(first);
        const int second_at = composed.kv().length();
        composed.adopt(second);
        composed.adopt(first);  // again, under another shift
        composed.append(text(20, 6));
        const int some = std::min(17, second.count());
        composed.recover(second, second_at, {{second_at, second_at + some}},
                         [](int head) { return head != 2; });
        const int last = composed.kv().length() - 20;
        composed.recover(first, last - longest, {{last - longest + 2, last - 6}, {last - 3, last}},
                         [](int head) { return head != 1; });
        EXPECT_LE(largest_difference(composed.compute(step_tokens), composed.expected()),
                  kFloatTolerance);
      }
    }
  }
}

TEST_P(Composition, WithEverythingRecoveredIsDensePrefillBitForBit) {
  for (const char* type : {"F32", "Q8_0"}) {
    const OpenModel model = small(Architecture::kQwen3, type);
    const HeadProfile profile = global_profile(model, KvFormat::kF16);
    Machine machine(model, profile, on());
    // Whole pages, so that the cuts of the dense sequence are the same.
    const Tokens head = random_tokens(16, model.vocabulary(), 1);
    const Tokens ending = random_tokens(9, model.vocabulary(), 3);
    const Segment segment = make_segment(machine, random_tokens(3, model.vocabulary(), 4),
                                         random_tokens(48, model.vocabulary(), 2));
    Composed composed(model, machine, profile);
    composed.append(head);
    composed.adopt(segment);
    composed.append(ending);
    composed.recover(segment, 16, {{16, 64}}, [](int) { return true; });
    Tokens all = head;
    all.insert(all.end(), segment.tokens.begin(), segment.tokens.end());
    all.insert(all.end(), ending.begin(), ending.end());
    for (const int step_tokens : {100, 11}) {
      EXPECT_TRUE(same_bits(composed.compute(step_tokens), machine.compute(all)));
    }
  }
}

// Any tokens of any pages, in pages that are whole, in part or not recovered, in all KV formats but
// for their rounding.
TEST_P(Composition, OfAnyRecoveredTokensAgreesWithTheSlowForwardPass) {
  const OpenModel model = small(Architecture::kLlama, "F32");
  const HeadProfile profile = global_profile(model);
  Machine machine(model, profile, on(2));
  std::mt19937 random(5);
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    const auto draw = [&random](int least, int most) {
      return std::uniform_int_distribution(least, most)(random);
    };
    const auto text = [&](int tokens) {
      return random_tokens(tokens, model.vocabulary(), random());
    };
    const Segment segment = make_segment(machine, text(draw(0, 5)), text(draw(1, 60)));
    Composed composed(model, machine, profile);
    composed.append(text(draw(1, 20)));
    composed.adopt(segment);
    const int first = composed.kv().length() - segment.count();
    composed.append(text(draw(1, 9)));
    std::vector<PositionRange> ranges;
    for (int at = draw(0, 20); at < segment.count(); at += draw(1, 20)) {
      const int end = std::min(at + draw(1, 20), segment.count());
      ranges.push_back({first + at, first + end});
      at = end;
    }
    const int spared = draw(0, static_cast<int>(profile.policies.size()));
    composed.recover(segment, first, ranges, [spared](int head) { return head != spared; });
    const Floats found = composed.compute(draw(1, 40));
    EXPECT_LE(largest_difference(found, composed.expected()), kFloatTolerance);
  }
}

TEST_P(Composition, StepsOfAnySizeGiveTheBitsOfRecoveredTokens) {
  const OpenModel model = small(Architecture::kQwen3, "Q8_0");
  const Tokens head = random_tokens(5, model.vocabulary(), 1);
  const Tokens body = random_tokens(70, model.vocabulary(), 2);
  const Tokens ending = random_tokens(9, model.vocabulary(), 3);
  for (const KvFormat format : kKvFormats) {
    const HeadProfile profile = global_profile(model, format);
    Machine machine(model, profile, on(2));
    const Segment segment = make_segment(machine, {}, body);
    std::vector<Floats> all;
    for (const int step_tokens : {100, 7, 1}) {
      Composed composed(model, machine, profile);
      composed.append(head);
      composed.adopt(segment);
      composed.append(ending);
      composed.recover(segment, 5, {{5, 12}, {20, 21}, {24, 60}}, [](int) { return true; });
      all.push_back(composed.compute(step_tokens));
    }
    EXPECT_TRUE(same_bits(all[0], all[1]));
    EXPECT_TRUE(same_bits(all[0], all[2]));
  }
}

// Queries select pages by bounds of their keys, which follow what was written into a copy.
TEST_P(Composition, BoundsOfPagesThatAreRecoveredInPartAreThoseOfTheirKeys) {
  const OpenModel model = small(Architecture::kQwen3, "Q8_0");
  const HeadProfile profile = retrieval_profile(model);
  Machine machine(model, profile, on(2));
  const Segment segment = make_segment(machine, {}, random_tokens(70, model.vocabulary(), 2));
  Composed composed(model, machine, profile);
  composed.append(random_tokens(5, model.vocabulary(), 1));
  composed.adopt(segment);
  composed.append(random_tokens(9, model.vocabulary(), 3));
  composed.recover(segment, 5, {{5, 12}, {20, 21}, {24, 60}}, [](int) { return true; });
  composed.compute(7);
  int copies = 0;
  for (int head = 0; head < static_cast<int>(profile.policies.size()); ++head) {
    const PageTable& table = composed.kv().table(head / profile.kv_heads, head % profile.kv_heads);
    for (const PageRef& page : table) {
      if (page.reused || page.tokens < 16) continue;
      copies += page.shift != 0 ? 1 : 0;
      const auto* bytes = machine.memory().bytes(page.frame);
      const std::size_t size = machine.memory().shape().bytes(
          profile.policies[static_cast<std::size_t>(head)].kv_format);
      const std::vector<std::byte> before(bytes, bytes + size);
      kernels().bound_keys(page_view(machine.memory(), page.frame));
      EXPECT_TRUE(std::equal(before.begin(), before.end(), bytes)) << head;
    }
  }
  EXPECT_GT(copies, 0);
}

TEST_P(Composition, BehindItsOwnContextASegmentIsAnExactPrefix) {
  const OpenModel model = small(Architecture::kLlama, "Q8_0");
  HeadProfile profile = global_profile(model, KvFormat::kQ8);
  for (std::size_t head = 0; head < profile.policies.size(); head += 2) {
    profile.policies[head].kv_format = KvFormat::kK8V4;
  }
  Machine machine(model, profile, on());
  const Tokens context = random_tokens(16, model.vocabulary(), 1);
  const Tokens ending = random_tokens(9, model.vocabulary(), 3);
  const Segment segment = make_segment(machine, context, random_tokens(32, model.vocabulary(), 2));
  Composed composed(model, machine, profile);
  composed.append(context);
  composed.adopt(segment);
  composed.append(ending);
  const Floats found = composed.compute(100);
  Tokens all = context;
  all.insert(all.end(), segment.tokens.begin(), segment.tokens.end());
  all.insert(all.end(), ending.begin(), ending.end());
  const Floats dense = machine.compute(all);
  EXPECT_TRUE(same_bits(machine.rows(found, 0, 16), machine.rows(dense, 0, 16)));
  EXPECT_TRUE(same_bits(machine.rows(found, 16, 9), machine.rows(dense, 48, 9)));
}

TEST_P(Composition, SegmentsOfOneTokenAndManyPiecesAgree) {
  const OpenModel model = small(Architecture::kLlama, "F32");
  const HeadProfile profile = global_profile(model);
  Machine machine(model, profile, on());
  std::vector<Segment> segments;
  for (int i = 0; i < 6; ++i) {
    segments.push_back(make_segment(machine, random_tokens(i, model.vocabulary(), 10 + i),
                                    random_tokens(i == 3 ? 17 : 1, model.vocabulary(), 20 + i)));
  }
  Composed composed(model, machine, profile);
  for (const Segment& segment : segments) composed.adopt(segment);
  composed.append(random_tokens(3, model.vocabulary(), 30));
  EXPECT_LE(largest_difference(composed.compute(2), composed.expected()), kFloatTolerance);
}

}  // namespace
}  // namespace redknot
