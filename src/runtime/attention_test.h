// SPDX-License-Identifier: Apache-2.0
// The oracle of paged attention: a World of random page tables, policies and coordinates of keys,
// whose contents are known as plain numbers, and dense attention over them in double precision.
// Tests make a World on their stack; one thread. It is DESIGN section 3: a KV head sees a set of
// positions, and the key at position j counts as rotated at j. It knows nothing of runs, shifts,
// forks or cuts, and of pages only which a query may select.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels_test.h"
#include "kv/sequence_kv.h"
#include "runtime/attention.h"
#include "runtime/page_read.h"
#include "runtime/page_select.h"
#include "tests/dense_forward.h"

namespace redknot::attention_test {

using namespace kernels_test;

// The oracle works on what the pages hold (on what was written, for f32), so only the arithmetic
// differs: scores are float sums of head_dim products, rotations floats, 2^x is good to 5e-9.
// Relative to the largest value of the head.
inline constexpr double kTolerance = 1e-5;

using Rows = std::vector<std::vector<double>>;

struct Shape {
  int group, kv_heads, head_dim, rope_dims, page_tokens;
  bool interleaved;
};

inline std::string trace(const Shape& shape, std::uint64_t seed) {
  return concat("group ", shape.group, ", KV heads ", shape.kv_heads, ", head_dim ", shape.head_dim,
                ", rope dims ", shape.rope_dims, shape.interleaved ? " interleaved" : " half-split",
                ", pages of ", shape.page_tokens, ", seed ", seed);
}

// A sequence, and the keys (not rotated) and values of its positions as plain numbers.
struct KnownSequence {
  struct Head {
    Rows keys, values;  // [positions, head_dim]
  };
  SequenceKv kv;
  std::vector<Head> heads;  // [layers, kv_heads]
  int oldest_query = 0;     // what earlier queries see may have been given back
};

// Some rows of one sequence in a step.
struct Asked {
  const KnownSequence* sequence;
  std::vector<int> positions;
};

inline HeadPolicy random_policy(Random& random) {
  constexpr std::array kSinks = {0, 4, 16, 50};
  constexpr std::array kWindows = {1, 2, 3, 17, 64, 200};
  HeadPolicy policy;
  policy.kv_format = kKvFormats[static_cast<std::size_t>(random.between(0, kKvFormatCount - 1))];
  policy.head_class = kHeadClasses[static_cast<std::size_t>(random.between(0, 2))];
  if (policy.head_class == HeadClass::kGlobal) return policy;
  policy.sink_tokens = kSinks[static_cast<std::size_t>(random.between(0, 3))];
  policy.window_tokens = kWindows[static_cast<std::size_t>(random.between(0, 5))];
  if (policy.head_class == HeadClass::kRetrieval) policy.top_pages = random.between(1, 4);
  return policy;
}

inline RopeConfig rope_config(const Shape& shape) {
  return {.pairing = shape.interleaved ? RopePairing::kInterleaved : RopePairing::kHalfSplit,
          .dims = shape.rope_dims,
          .frequency_divisors = {}};
}

// A pool, a profile of random policies, and sequences with known contents.
class World {
 public:
  static constexpr int kLayers = 2;

  World(const Kernels& kernels, const Shape& shape, std::uint64_t seed)
      : kernels_(kernels),
        shape_(shape),
        random_(seed),
        profile_(uniform_profile(kLayers, shape.kv_heads, {})),
        frequencies_(tests::rope_frequencies(rope_config(shape))),
        rope_(rope_config(shape)) {
    draw_basis();
    for (HeadPolicy& policy : profile_.policies) policy = random_policy(random_);
    const int pages = kLayers * shape.kv_heads * 4 * 1000 / shape.page_tokens + 200;
    const PageOptions options{.shape = {shape.page_tokens, shape.head_dim, /*key_bounds=*/true},
                              .page_count = {pages, pages, pages, pages}};
    pool_ = PageAllocator::create(options).value();
    memory_ = PageMemory::create(options).value();
  }

  const HeadProfile& profile() const { return profile_; }
  Random& random() { return random_; }
  const PageAllocator& pool() const { return *pool_; }

  PageLog log() { return {&ops_, SequenceId{}}; }

  KnownSequence empty() {
    return {SequenceKv(*pool_, profile_, log()),
            std::vector<KnownSequence::Head>(profile_.policies.size()), 0};
  }

  // Appends tokens with random keys and values, as a step of the transformer would.
  void extend(KnownSequence& sequence, int tokens) {
    const int begin = sequence.kv.length();
    ops_.clear();
    ASSERT_TRUE(sequence.kv.extend(tokens).ok());
    for (const PageOp& op : ops_) {
      if (op.kind == PageOp::Kind::kCopy) memory_->copy(op.from, op.entry.frame);
    }
    rope_.prepare(begin, begin + tokens);
    for (int head = 0; head < heads(); ++head) {
      for (const PageRef& page : table(sequence, head)) {
        for (int position = std::max(begin, page.position); position < page.end(); ++position) {
          write(sequence, head, page, position);
        }
      }
      bound_keys(table(sequence, head), {begin, begin + tokens}, *memory_, kernels_);
    }
  }

  // Appends `tokens` tokens of the donor from a page on, by reference and under a shift.
  void adopt(KnownSequence& sequence, const KnownSequence& donor, int first_page, int tokens) {
    const int begin = first_page * shape_.page_tokens;
    const int shift = sequence.kv.length() - begin;
    for (int head = 0; head < heads(); ++head) {
      std::vector<PageId> pages;
      for (int first = 0; first < tokens; first += shape_.page_tokens) {
        const auto page = static_cast<std::size_t>((begin + first) / shape_.page_tokens);
        pages.push_back(table(donor, head)[page].page);
      }
      sequence.kv.adopt(head / shape_.kv_heads, head % shape_.kv_heads, pages, tokens, shift);
      KnownSequence::Head& known = sequence.heads[static_cast<std::size_t>(head)];
      const KnownSequence::Head& from = donor.heads[static_cast<std::size_t>(head)];
      for (int i = begin; i < begin + tokens; ++i) {
        known.keys.push_back(from.keys[static_cast<std::size_t>(i)]);
        known.values.push_back(from.values[static_cast<std::size_t>(i)]);
      }
    }
    sequence.kv.advance(tokens);
  }

  void forget(KnownSequence& sequence, int next) {
    sequence.kv.forget(next);
    sequence.oldest_query = std::max(sequence.oldest_query, next);
  }

  // Every position that may still be asked for with the given probability in percent.
  Asked ask(const KnownSequence& sequence, int percent) {
    Asked asked{&sequence, {}};
    for (int p = std::min(sequence.oldest_query, sequence.kv.length() - 1);
         p < sequence.kv.length(); ++p) {
      if (random_.between(1, 100) <= percent) asked.positions.push_back(p);
    }
    return asked;
  }

  int row_floats() const { return shape_.group * shape_.kv_heads * shape_.head_dim; }

  // The attention of all rows in one step.
  Floats run(int layer, std::span<const Asked> asked, const Floats& queries, int thread_count) {
    ThreadPool threads(thread_count);
    RopeTable rope(rope_config(shape_));
    SegPagedAttention attention({shape_.group * shape_.kv_heads, shape_.kv_heads, shape_.head_dim},
                                *memory_, kernels_, threads, rope);
    std::vector<SequenceRows> sequences;
    int rows = 0;
    for (const Asked& one : asked) {
      sequences.push_back({&one.sequence->kv.tables(), one.positions, rows});
      rows += static_cast<int>(one.positions.size());
    }
    Floats out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_floats()),
               std::nanf(""));
    attention.run(layer, basis_, sequences, queries.data(), out.data());
    return out;
  }

  Floats random_queries(std::span<const Asked> asked) {
    std::size_t rows = 0;
    for (const Asked& one : asked) rows += one.positions.size();
    return random_.normals(rows * static_cast<std::size_t>(row_floats()));
  }

  // Compares with dense attention, row by row.
  void compare(int layer, std::span<const Asked> asked, const Floats& queries, const Floats& out) {
    const float* query = queries.data();
    const float* actual = out.data();
    for (const Asked& one : asked) {
      for (int kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
        compare_head(layer, kv_head, one, query, actual);
      }
      query += one.positions.size() * static_cast<std::size_t>(row_floats());
      actual += one.positions.size() * static_cast<std::size_t>(row_floats());
    }
  }

 private:
  int heads() const { return static_cast<int>(profile_.policies.size()); }
  const PageTable& table(const KnownSequence& sequence, int head) const {
    return sequence.kv.table(head / shape_.kv_heads, head % shape_.kv_heads);
  }

  void write(KnownSequence& sequence, int head, const PageRef& page, int position) {
    const auto dim = static_cast<std::size_t>(shape_.head_dim);
    const Floats key = random_.normals(dim);
    const Floats value = random_.normals(dim);
    Floats rotated(dim);
    kernels_.rotate(key.data(), rope_.at(position), shape_.head_dim, 1.0f, rotated.data());
    const int kv_head = head % shape_.kv_heads;
    const HeadPolicy& policy = profile_.at(head / shape_.kv_heads, kv_head);
    BasisChange::of_keys(basis_, policy, kv_head, shape_.head_dim).apply(kernels_, rotated.data());
    const PageView view = page_view(*memory_, page.frame);
    const int slot = position - page.position;
    Floats kept = value;
    if (mixes_values(view.format)) kernels_.hadamard(kept.data(), shape_.head_dim);
    kernels_.write_slot(view, slot, rotated.data(), kept.data());
    KnownSequence::Head& known = sequence.heads[static_cast<std::size_t>(head)];
    known.keys.emplace_back(key.begin(), key.end());
    known.values.emplace_back(value.begin(), value.end());
    if (view.format == KvFormat::kF32) return;
    for (int d = 0; d < shape_.head_dim; ++d) {
      known.keys.back()[static_cast<std::size_t>(d)] = stored_key(view, slot, d);
      known.values.back()[static_cast<std::size_t>(d)] = stored_value(view, slot, d);
    }
    if (mixes_values(view.format)) mix_back(known.values.back());
    if (key_element(view.format) == KvElement::kInt8)
      leave_basis(policy, kv_head, known.keys.back());
    tests::rotate_dense(rope_config(shape_), frequencies_, -position, known.keys.back());
  }

  // Factors of all sizes, the same for both elements of a pair.
  void draw_basis() {
    for (int kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      std::vector<float> factors;
      for (int d = 0; d < shape_.head_dim; ++d) {
        factors.push_back(std::abs(random_.power_of_two(-3, 3)));
        const int first = shape_.interleaved ? d - d % 2 : d - shape_.rope_dims / 2;
        if (d < shape_.rope_dims && first >= 0) factors.back() = factors[first];
      }
      for (const float factor : factors) {
        basis_.key_factors.push_back(factor);
        basis_.query_factors.push_back(1.0f / factor);
      }
    }
  }

  // What a page holds of a key, as the key was.
  void leave_basis(const HeadPolicy& policy, int kv_head, std::vector<double>& key) {
    if (policy.head_class != HeadClass::kRetrieval) mix_back(key);
    for (std::size_t d = 0; d < key.size(); ++d) {
      key[d] *= basis_.query_factors[static_cast<std::size_t>(kv_head) * key.size() + d];
    }
  }
  void mix_back(std::vector<double>& row) {
    Floats mixed(row.begin(), row.end());
    kReferenceKernels.hadamard(mixed.data(), shape_.head_dim);
    row.assign(mixed.begin(), mixed.end());
  }

  void compare_head(int layer, int kv_head, const Asked& asked, const float* queries,
                    const float* actual) {
    const RopeConfig rope = rope_config(shape_);
    KnownSequence::Head head =
        asked.sequence->heads[static_cast<std::size_t>(layer * shape_.kv_heads + kv_head)];
    for (std::size_t p = 0; p < head.keys.size(); ++p) {
      tests::rotate_dense(rope, frequencies_, static_cast<double>(p), head.keys[p]);
    }
    double peak = 0.0;
    for (const auto& value : head.values) {
      for (const double x : value) peak = std::max(peak, std::abs(x));
    }
    const auto dim = static_cast<std::size_t>(shape_.head_dim);
    const PageTable& pages = asked.sequence->kv.table(layer, kv_head);
    for (std::size_t row = 0; row < asked.positions.size(); ++row) {
      const int position = asked.positions[row];
      const std::size_t first = row * static_cast<std::size_t>(row_floats()) +
                                static_cast<std::size_t>(kv_head * shape_.group) * dim;
      Rows group;
      for (int i = 0; i < shape_.group; ++i) {
        const float* query = queries + first + static_cast<std::size_t>(i) * dim;
        group.emplace_back(query, query + dim);
      }
      const std::vector<int> seen =
          seen_by(profile_.at(layer, kv_head), position, kv_head, group, pages);
      for (int i = 0; i < shape_.group; ++i) {
        const std::size_t at = first + static_cast<std::size_t>(i) * dim;
        std::vector<double>& query = group[static_cast<std::size_t>(i)];
        tests::rotate_dense(rope, frequencies_, position, query);
        const std::vector<double> expected =
            tests::attend_dense(seen, query, head.keys, head.values);
        for (std::size_t d = 0; d < dim; ++d) {
          ASSERT_NEAR(actual[at + d], expected[d], kTolerance * peak)
              << "layer " << layer << ", KV head " << kv_head << ", position " << position
              << ", query " << i << ", element " << d;
        }
      }
    }
  }

  // What the queries of one token see, selected pages among it: of all pages that may be selected,
  // in order of what their bounds promise the best of the queries.
  std::vector<int> seen_by(const HeadPolicy& policy, int position, int kv_head, const Rows& group,
                           const PageTable& pages) {
    const std::vector<int> always = tests::seen_positions(policy, position);
    if (policy.head_class != HeadClass::kRetrieval) return always;
    std::set<int> seen(always.begin(), always.end());
    std::vector<std::pair<double, const PageRef*>> candidates;
    for (const PageRef& page : pages) {
      if (page.end() > position + 1) continue;
      if (page.tokens < shape_.page_tokens) {
        // The rest of a part has no bounds: it is always seen from behind it.
        for (int at = page.position; at < page.end() && page.end() <= position; ++at) {
          seen.insert(at);
        }
        continue;
      }
      bool all_seen = true;
      for (int i = page.position; i < page.end(); ++i) all_seen &= seen.count(i) == 1;
      if (!all_seen)
        candidates.emplace_back(-promise(page, policy, position, kv_head, group), &page);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto top = static_cast<std::size_t>(policy.top_pages);
    for (std::size_t i = 0; i < std::min(top, candidates.size()); ++i) {
      const PageRef& page = *candidates[i].second;
      for (int at = page.position; at < page.end(); ++at) seen.insert(at);
    }
    return {seen.begin(), seen.end()};
  }

  double promise(const PageRef& page, const HeadPolicy& policy, int position, int kv_head,
                 const Rows& group) {
    const PageView view = page_view(*memory_, page.frame);
    double best = -std::numeric_limits<double>::infinity();
    for (std::vector<double> query : group) {
      tests::rotate_dense(rope_config(shape_), frequencies_, position - page.shift, query);
      double sum = 0;
      for (std::size_t d = 0; d < query.size(); ++d) {
        if (key_element(policy.kv_format) == KvElement::kInt8) {
          query[d] *= basis_.query_factors[static_cast<std::size_t>(kv_head) * query.size() + d];
        }
        sum += std::max(query[d] * f16_to_f32(view.key_bounds[d]),
                        query[d] * f16_to_f32(view.key_bounds[query.size() + d]));
      }
      best = std::max(best, sum);
    }
    return best;
  }

  const Kernels& kernels_;
  Shape shape_;
  Random random_;
  HeadProfile profile_;
  std::vector<double> frequencies_;
  RopeTable rope_;
  KeyBasis basis_;  // of all layers
  std::unique_ptr<PageAllocator> pool_;
  std::unique_ptr<PageMemory> memory_;
  std::vector<PageOp> ops_;
};

}  // namespace redknot::attention_test
