// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/schema_compiler.h"

namespace redknot::grammar {
namespace {

bool is_deeper_than(const Schema& schema, int levels) {
  if (!schema.is_structured()) return false;
  return levels == 0 || std::any_of(schema.begin(), schema.end(), [levels](const Schema& inner) {
           return is_deeper_than(inner, levels - 1);
         });
}

}  // namespace

Result<Grammar> grammar_of_schema(std::string_view schema, std::string_view prefix,
                                  std::string_view suffix) {
  if (schema.size() > kMaxSchemaBytes) {
    return exhausted("JSON schema: ", schema.size(), " bytes, more than ", kMaxSchemaBytes);
  }
  if (std::max(prefix.size(), suffix.size()) > kMaxFrameBytes) {
    return exhausted("JSON schema: more than ", kMaxFrameBytes, " bytes around it");
  }
  const Schema json = Schema::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return invalid("JSON schema: not valid JSON");
  if (is_deeper_than(json, kMaxSchemaDepth)) {
    return exhausted("JSON schema: nested more than ", kMaxSchemaDepth, " deep");
  }
  auto grammar = SchemaCompiler(json).compile(prefix, suffix);
  if (!grammar.ok()) return grammar.error().within("JSON schema");
  return grammar;
}

}  // namespace redknot::grammar
