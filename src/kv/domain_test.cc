// SPDX-License-Identifier: Apache-2.0
#include "kv/domain.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kv/chain.h"

namespace redknot {
namespace {

struct Facts {
  DomainNames names{.model = "a model", .kernels = "avx2"};
  HeadProfile profile = uniform_profile(
      2, 2,
      {.head_class = HeadClass::kRetrieval, .sink_tokens = 4, .window_tokens = 8, .top_pages = 2});
  PageShape shape{.page_tokens = 16, .head_dim = 8, .key_bounds = true};
};

Domain domain(const Facts& facts) { return domain_of(facts.names, facts.profile, facts.shape); }

TEST(DomainTest, AnyChangeChangesIt) {
  const std::vector<std::function<void(Facts&)>> changes = {
      [](Facts& facts) { facts.names.model = "another"; },
      [](Facts& facts) { facts.names.kernels = "avx512"; },
      [](Facts& facts) { ++facts.names.arithmetic; },
      [](Facts& facts) { facts.names.activations = ActivationFormat::kExact; },
      [](Facts& facts) { facts.profile = uniform_profile(4, 1, facts.profile.policies[0]); },
      [](Facts& facts) { facts.profile = uniform_profile(2, 3, facts.profile.policies[0]); },
      [](Facts& facts) { facts.profile.policies[3].head_class = HeadClass::kLocal; },
      [](Facts& facts) { ++facts.profile.policies[3].sink_tokens; },
      [](Facts& facts) { ++facts.profile.policies[3].window_tokens; },
      [](Facts& facts) { facts.profile.policies[3].kv_format = KvFormat::kQ8; },
      [](Facts& facts) { ++facts.profile.policies[3].top_pages; },
      [](Facts& facts) { facts.profile.policies[3].context_bound = false; },
      [](Facts& facts) { facts.shape.page_tokens = 32; },
      [](Facts& facts) { ++facts.shape.head_dim; },
      [](Facts& facts) { facts.shape.key_bounds = false; },
  };
  EXPECT_EQ(domain({}), domain({}));
  std::vector<Domain> domains = {domain({})};
  for (const auto& change : changes) {
    Facts facts;
    change(facts);
    for (const Domain& other : domains) EXPECT_NE(domain(facts), other);
    domains.push_back(domain(facts));
  }
}

TEST(ChainTest, KeysDependOnAllThatStandsBefore) {
  const std::vector<TokenId> tokens = {TokenId{1}, TokenId{2}, TokenId{3}};
  const ChainBlock block{.positions = {0, 2}, .tokens = std::span(tokens).first(2)};
  const ChainKey root = root_key(domain({}), "salt");
  EXPECT_NE(root, root_key(domain({}), "another"));
  Facts other;
  other.names.model = "another";
  EXPECT_NE(root, root_key(domain(other), "salt"));
  EXPECT_EQ(key_behind(root, block), key_behind(root, block));
  EXPECT_NE(key_behind(root, block), key_behind(root_key(domain({}), "another"), block));
  ChainBlock longer = block;
  longer.tokens = tokens;
  EXPECT_NE(key_behind(root, block), key_behind(root, longer));
  ChainBlock segment = block;
  segment.segment = SegmentKey{};
  EXPECT_NE(key_behind(root, block), key_behind(root, segment));
  ChainBlock recovered = segment;
  recovered.composition[0] = std::byte{1};
  EXPECT_NE(key_behind(root, segment), key_behind(root, recovered));
  segment.segment->at(5) = std::byte{1};
  recovered.composition[0] = std::byte{0};
  EXPECT_NE(key_behind(root, segment), key_behind(root, recovered));
}

}  // namespace
}  // namespace redknot
