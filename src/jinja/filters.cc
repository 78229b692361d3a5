// SPDX-License-Identifier: Apache-2.0
#include "jinja/filters.h"

#include <unordered_map>

#include "base/error.h"
#include "jinja/filter_call.h"

namespace redknot::jinja {
namespace {

std::unordered_map<std::string_view, FilterFunction> all_filters() {
  std::unordered_map<std::string_view, FilterFunction> all;
  for (const auto* filters :
       {&text_filters(), &number_filters(), &sequence_filters(), &mapping_filters()}) {
    for (const NamedFilter& filter : *filters) all.emplace(filter.name, filter.function);
  }
  return all;
}

}  // namespace

Result<Value> apply_filter(Heap& heap, std::string_view name, const Value& input,
                           const CallArguments& arguments) {
  static const auto kFilters = all_filters();
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  const auto found = kFilters.find(name);
  if (found == kFilters.end()) return unsupported("there is no filter '", name, "'");
  return found->second({heap, name, input, arguments});
}

}  // namespace redknot::jinja
