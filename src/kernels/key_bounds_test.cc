// SPDX-License-Identifier: Apache-2.0
// Bounds of a page's keys and what they promise a query: every table against the reference, and
// that no key ever keeps more than its page promises.
#include <limits>

#include "kernels/kernels_test.h"

namespace redknot {
namespace {

using namespace kernels_test;

constexpr std::array kTokens = {16, 32, 64, 128};
constexpr std::array kDims = {1, 7, 8, 16, 40, 64, 80, 96, 128, 256};

// A page of random keys; some elements are large, some all negative.
struct Page : PageParts {
  Page(KvFormat page_format, int page_tokens, int head_dim, Random& random)
      : PageParts(page_format, page_tokens, head_dim) {
    const auto elements = static_cast<std::size_t>(dim);
    const Floats centre = random.normals(elements, 3.0f);
    for (int slot = 0; slot < tokens; ++slot) {
      Floats key = random.normals(elements, std::abs(random.power_of_two(-6, 4)));
      for (std::size_t d = 0; d < elements; ++d) key[d] += centre[d];
      kReferenceKernels.write_slot(view(), slot, key.data(), key.data());
    }
  }
};

class KeyBounds : public KernelsTest {
 protected:
  template <typename Check>
  void for_each_page(Check check) {
    std::uint64_t seed = 0;
    for (const KvFormat format : kKvFormats) {
      for (const int tokens : kTokens) {
        for (const int dim : kDims) {
          SCOPED_TRACE(concat(name(format), ", tokens ", tokens, ", dim ", dim, ", seed ", ++seed));
          Random random(seed);
          Page page(format, tokens, dim, random);
          kernels().bound_keys(page.view());
          check(page, random);
        }
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, KeyBounds, ::testing::ValuesIn(available_kernels()), table_name);

TEST_P(KeyBounds, AreTheReferencesNumbers) {
  for_each_page([](Page& page, Random&) {
    const ExactVector<std::uint16_t> found = page.bounds;
    kReferenceKernels.bound_keys(page.view());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(f16_to_f32(found[i]), f16_to_f32(page.bounds[i]));
    }
  });
}

TEST_P(KeyBounds, EncloseAllKeysAndNoMoreThanAHalfRounds) {
  for_each_page([](Page& page, Random&) {
    for (int d = 0; d < page.dim; ++d) {
      double greatest = -std::numeric_limits<double>::infinity(), least = -greatest;
      for (int slot = 0; slot < page.tokens; ++slot) {
        greatest = std::max(greatest, page.key(slot, d));
        least = std::min(least, page.key(slot, d));
      }
      const double high = f16_to_f32(page.bounds[static_cast<std::size_t>(d)]);
      const double low = f16_to_f32(page.bounds[static_cast<std::size_t>(page.dim + d)]);
      ASSERT_GE(high, greatest);
      ASSERT_LE(low, least);
      ASSERT_LE(high - greatest, std::abs(greatest) * 0x1p-10 + 0x1p-24);
      ASSERT_LE(least - low, std::abs(least) * 0x1p-10 + 0x1p-24);
    }
  });
}

TEST_P(KeyBounds, ScoreIsTheReferencesAndNoKeyExceedsIt) {
  for_each_page([this](Page& page, Random& random) {
    const Floats query = random.normals(static_cast<std::size_t>(page.dim));
    const float score = kernels().score_page(page.view(), query.data());
    double scale = 0;
    for (int slot = 0; slot < page.tokens; ++slot) {
      double product = 0, size = 0;
      for (int d = 0; d < page.dim; ++d) {
        const double term = query[static_cast<std::size_t>(d)] * page.key(slot, d);
        product += term;
        size += std::abs(term);
      }
      scale = std::max(scale, size);
      ASSERT_LE(product, score + 1e-5 * size);
    }
    ASSERT_NEAR(score, kReferenceKernels.score_page(page.view(), query.data()), 1e-4 * scale);
  });
}

}  // namespace
}  // namespace redknot
