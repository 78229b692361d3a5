// SPDX-License-Identifier: Apache-2.0
#include "profiler/converted_fork.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "heads/visibility.h"
#include "kv/page_sum.h"
#include "runtime/key_basis.h"
#include "runtime/page_read.h"

namespace redknot {
namespace {

class Conversion {
 public:
  Conversion(const SingleSequence& dense, const HeadProfile& profile, EngineCore& core)
      : dense_(dense), profile_(profile), core_(core) {}

  // Whether there are pages for it and for so many more tokens.
  bool fits(int tokens) const {
    PageSum sum;
    const int page_tokens = core_.pages().shape().page_tokens;
    for (int head = 0; head < dense_.kv().tables().heads(); ++head) {
      sum.add(policy(head).kv_format, pages_for(tokens, page_tokens));
      if (converts(head)) {
        sum.add(policy(head).kv_format,
                static_cast<std::int64_t>(dense_.kv().tables().at(head).size()));
      }
    }
    const PageCounts wanted = sum.total();
    for (const KvFormat format : kKvFormats) {
      if (wanted[index_of(format)] > core_.pages().free_pages(format)) return false;
    }
    return true;
  }

  SingleSequence make() const {
    SingleSequence out(core_.host(), profile_);
    for (int layer = 0; layer < profile_.layers; ++layer) {
      for (int head = 0; head < profile_.kv_heads; ++head) adopt(layer, head, out.kv());
    }
    out.kv().advance(dense_.length());
    out.kv().forget(dense_.length());
    return out;
  }

 private:
  const HeadPolicy& policy(int head) const {
    return profile_.policies[static_cast<std::size_t>(head)];
  }
  KvFormat dense_format(int head) const {
    return dense_.kv().profile().policies[static_cast<std::size_t>(head)].kv_format;
  }
  bool converts(int head) const { return policy(head).kv_format != dense_format(head); }

  // Gives a head of the new sequence the dense one's pages, or copies of them in its format.
  void adopt(int layer, int kv_head, SequenceKv& to) const {
    const int head = layer * profile_.kv_heads + kv_head;
    std::vector<PageId> pages;
    for (const PageRef& page : dense_.kv().tables().at(head)) {
      pages.push_back(converts(head) ? converted(page, layer, kv_head) : page.page);
    }
    to.adopt(layer, kv_head, pages, dense_.length(), /*shift=*/0);
    if (!converts(head)) return;
    for (const PageId page : pages) core_.pages().release(page);  // the sequence holds them now
  }

  // What KeyValues would have stored, but that keys and values have been halves before.
  PageId converted(const PageRef& from, int layer, int kv_head) const {
    const HeadPolicy& policy = profile_.at(layer, kv_head);
    const PageId page = core_.pages().allocate(policy.kv_format).value();
    PageMemory& memory = core_.backend().memory();
    const PageView source = page_view(memory, from.frame);
    const PageView target = page_view(memory, core_.pages().frame(page));
    const int dim = source.head_dim;
    const Kernels& kernels = core_.kernels();
    const KeyBasis& basis = core_.weights().layers()[static_cast<std::size_t>(layer)].key_basis;
    const BasisChange change = BasisChange::of_keys(basis, policy, kv_head, dim);
    std::vector<float> key(static_cast<std::size_t>(dim)), value(key.size());
    for (int slot = 0; slot < source.page_tokens; ++slot) {
      read_key(source, slot, key.data());
      read_value(source, slot, value.data());
      change.apply(kernels, key.data());
      if (mixes_values(policy.kv_format)) kernels.hadamard(value.data(), dim);
      kernels.write_slot(target, slot, key.data(), value.data());
    }
    if (target.key_bounds != nullptr) kernels.bound_keys(target);
    return page;
  }

  const SingleSequence& dense_;
  const HeadProfile& profile_;
  EngineCore& core_;
};

}  // namespace

std::optional<SingleSequence> converted_fork(const SingleSequence& dense,
                                             const HeadProfile& profile, EngineCore& core,
                                             int tokens) {
  REDKNOT_CHECK(dense.length() % core.pages().shape().page_tokens == 0);
  REDKNOT_CHECK(profile.policies.size() == dense.kv().profile().policies.size());
  const Conversion conversion(dense, profile, core);
  if (!conversion.fits(tokens)) return std::nullopt;
  return conversion.make();
}

}  // namespace redknot
