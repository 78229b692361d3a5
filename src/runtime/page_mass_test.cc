// SPDX-License-Identifier: Apache-2.0
// The shares of attention that pieces of pages get, against softmax in plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernels_test.h"
#include "kv/sequence_kv.h"
#include "runtime/attention.h"
#include "runtime/page_read.h"
#include "tests/dense_forward.h"

namespace redknot {
namespace {

using namespace kernels_test;

constexpr int kDim = 20, kKvHeads = 2, kGroup = 2, kPageTokens = 32;
constexpr int kPieces = kPageTokens / kPieceTokens;

constexpr PageOptions kPages = {.shape = {.page_tokens = kPageTokens, .head_dim = kDim},
                                .page_count = {0, 0, 200}};

class PageMassTest : public KernelsTest {
 protected:
  PageMassTest()
      : pool_(PageAllocator::create(kPages).value()), memory_(PageMemory::create(kPages).value()) {
    profile_ = uniform_profile(1, kKvHeads, {.kv_format = KvFormat::kF32});
    profile_.policies[1] = {HeadClass::kLocal, 4, 9, KvFormat::kF32};
    rope_config_.dims = kDim;
  }

  // Random keys in the pages of `kv`, and the same by position, rotated, of head 0.
  std::vector<std::vector<double>> fill(const SequenceKv& kv) {
    const auto frequencies = tests::rope_frequencies(rope_config_);
    std::vector<std::vector<double>> keys;
    for (int kv_head = 0; kv_head < kKvHeads; ++kv_head) {
      for (const PageRef& page : kv.table(0, kv_head)) {
        for (int slot = 0; slot < page.tokens; ++slot) {
          const Floats key = random_.normals(kDim), value = random_.normals(kDim);
          kernels().write_slot(page_view(*memory_, page.frame), slot, key.data(), value.data());
          if (kv_head > 0) continue;
          keys.emplace_back(key.begin(), key.end());
          tests::rotate_dense(rope_config_, frequencies, page.shift, keys.back());
        }
      }
    }
    return keys;
  }

  Random random_{3};
  std::unique_ptr<PageAllocator> pool_;
  std::unique_ptr<PageMemory> memory_;
  HeadProfile profile_;
  RopeConfig rope_config_{};
};
INSTANTIATE_TEST_SUITE_P(Kernels, PageMassTest, ::testing::ValuesIn(available_kernels()),
                         table_name);

TEST_P(PageMassTest, IsTheShareOfSoftmaxOverRowsAndQueryHeads) {
  // The second sees sinks and a window, as a head does that selects no page.
  const HeadPolicy policies[] = {{.kv_format = KvFormat::kF32},
                                 {HeadClass::kRetrieval, 20, 9, KvFormat::kF32}};
  for (const int threads : {1, 3, 4}) {
    const HeadPolicy& policy = policies[threads % 2 == 0 ? 1 : 0];
    profile_.policies[0] = policy;
    SequenceKv donor(*pool_, profile_), kv(*pool_, profile_);
    ASSERT_TRUE(donor.extend(40).ok() && kv.extend(21).ok());
    kv.end_page();
    for (int kv_head = 0; kv_head < kKvHeads; ++kv_head) {
      std::vector<PageId> pages;
      for (const PageRef& page : donor.table(0, kv_head)) pages.push_back(page.page);
      kv.adopt(0, kv_head, pages, 40, 21);
    }
    kv.advance(40);
    kv.end_page();
    ASSERT_TRUE(kv.extend(320).ok());
    const auto keys = fill(kv);

    const std::vector<int> positions = {0, 30, 200, 379, 380};
    const auto row_floats = static_cast<std::size_t>(kKvHeads * kGroup * kDim);
    const Floats queries = random_.normals(positions.size() * row_floats);
    Floats out(queries.size());
    ThreadPool pool(threads);
    RopeTable rope(rope_config_);
    SegPagedAttention attention({kKvHeads * kGroup, kKvHeads, kDim}, *memory_, kernels(), pool,
                                rope);
    const SequenceRows rows{&kv.tables(), positions, 0, Measure::kPageMass};
    attention.run(0, {}, {&rows, 1}, queries.data(), out.data());

    const PageTable& table = kv.table(0, 0);
    std::vector<double> expected(table.size() * kPieces);
    const auto frequencies = tests::rope_frequencies(rope_config_);
    for (std::size_t row = 0; row < positions.size(); ++row) {
      for (int query = 0; query < kGroup; ++query) {
        const auto first =
            queries.begin() + static_cast<std::ptrdiff_t>(row * row_floats) + query * kDim;
        std::vector<double> one(first, first + kDim);
        tests::rotate_dense(rope_config_, frequencies, positions[row], one);
        // Values that say which piece they lie in.
        for (std::size_t piece = 0; piece < expected.size(); ++piece) {
          const PageRef& page = table[piece / kPieces];
          const int begin = page.position + static_cast<int>(piece % kPieces) * kPieceTokens;
          std::vector<std::vector<double>> values(
              keys.size(), std::vector<double>(static_cast<std::size_t>(kDim)));
          for (int p = begin; p < std::min(begin + kPieceTokens, page.end()); ++p) {
            values[static_cast<std::size_t>(p)][0] = 1.0;
          }
          const auto seen = tests::seen_positions(policy, positions[row]);
          expected[piece] += tests::attend_dense(seen, one, keys, values)[0];
        }
      }
    }
    const std::span<const std::int64_t> found = attention.page_mass(0, 0);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t piece = 0; piece < expected.size(); ++piece) {
      EXPECT_NEAR(static_cast<double>(found[piece]) / PageMass::kWhole, expected[piece], 1e-5)
          << "piece " << piece;
    }
    EXPECT_TRUE(attention.page_mass(0, 1).empty());  // a local head
    EXPECT_EQ(attention.attended()[1], (threads == 4 ? 29 : 31) + 4 + 9);
  }
}

}  // namespace
}  // namespace redknot
