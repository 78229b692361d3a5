// SPDX-License-Identifier: Apache-2.0
#include "sched/sequence_record.h"

#include <algorithm>
#include <utility>

#include "kv/peak_pages.h"

namespace redknot {
namespace {

bool is_own(const SequenceRecord& record, const PageRef& page) {
  return !page.reused && !(record.shares_prompt() && page.end() <= record.composer.prefix_length());
}

}  // namespace

SequenceRecord make_record(SequenceId id, std::shared_ptr<const SequenceRequest> request) {
  PromptComposer composer(request);
  std::vector<TokenId> tokens = request->spec.prompt.tokens;
  return {.id = id,
          .request = std::move(request),
          .tokens = std::move(tokens),
          .composer = std::move(composer)};
}

PageCounts own_pages(const SequenceRecord& record) {
  PageCounts pages{};
  const PageTables& tables = record.kv->tables();
  for (int head = 0; head < tables.heads(); ++head) {
    const KvFormat format = tables.profile().policies[static_cast<std::size_t>(head)].kv_format;
    pages[index_of(format)] += static_cast<int>(
        std::count_if(tables.at(head).begin(), tables.at(head).end(),
                      [&record](const PageRef& page) { return is_own(record, page); }));
  }
  return pages;
}

// By head: what it holds in earlier parts of the prompt, which can only become less, and what the
// last part and all that follows it may come to.
PageCounts pages_to_decode(const SequenceRecord& record) {
  if (record.role == SequenceRole::kSharedPrompt) return own_pages(record);
  const PageTables& tables = record.kv->tables();
  const int page_tokens = record.kv->page_tokens();
  const SequencePart& last = record.parts().back();
  const int all = last.tokens() + record.spec().max_tokens;
  const int shared = record.shares_prompt() ? (last.tokens() - 1) / page_tokens : 0;
  PageCounts pages{};
  for (int head = 0; head < tables.heads(); ++head) {
    const HeadPolicy& policy = tables.profile().policies[static_cast<std::size_t>(head)];
    int before = 0, held = 0;
    for (const PageRef& page : tables.at(head)) {
      if (!is_own(record, page)) continue;
      ++(page.position < last.positions.begin ? before : held);
    }
    int most = static_cast<int>(peak_pages_of_head(policy, page_tokens, all, /*chunk_tokens=*/1));
    if (keeps_everything(policy)) most -= shared;
    pages[index_of(policy.kv_format)] += before + std::max(most, held);
  }
  return pages;
}

KvPages pages_of(const SequenceRecord& record) {
  KvPages pages;
  if (record.kv == nullptr) return pages;
  const PageTables& tables = record.kv->tables();
  for (int head = 0; head < tables.heads(); ++head) {
    const KvFormat format = tables.profile().policies[static_cast<std::size_t>(head)].kv_format;
    for (const PageRef& page : tables.at(head)) {
      const bool shared = page.reused || page.end() <= record.composer.prefix_length();
      ++(shared ? pages.shared : pages.own)[index_of(format)];
    }
  }
  return pages;
}

}  // namespace redknot
