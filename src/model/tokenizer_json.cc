// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer_json.h"

#include <utility>

namespace redknot {
namespace {

constexpr const char* kSpacePiece = "\u2581";

// The expression of Hugging Face's ByteLevel pre-tokenizer with use_regex.
constexpr const char* kByteLevelExpression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kPunctuationClass = R"([\p{P}!-/:-@\[-`{-~])";

Result<std::string> type_of(const FileFields& step, std::string_view what) {
  REDKNOT_TRY(auto type, step.optional_text("type"));
  if (!type) return corrupt("tokenizer.json: ", what, " has no type");
  return std::move(*type);
}

Error refused(std::string_view what, std::string_view type) {
  return unsupported("tokenizer.json: ", what, " of type ", type.substr(0, 40), " does not run");
}

// Calls visit(step) for a step, or for each of the steps of a Sequence, which are not nested
// further. Nothing for null.
template <typename Visit>
Status for_each_step(const Json* step, const char* what, const char* list, Visit visit) {
  if (step == nullptr) return Done{};
  if (!step->is_object()) return corrupt("tokenizer.json: ", what, " is not an object");
  const FileFields fields = file_fields(*step, what);
  REDKNOT_TRY(const std::string type, type_of(fields, what));
  if (type != "Sequence") return visit(*step);
  const Json* steps = fields.find(list);
  if (steps == nullptr || !steps->is_array()) return fields.wrong_type(list, "an array");
  for (const Json& inner : *steps) {
    if (!inner.is_object()) return fields.wrong_type(list, "an array of objects");
    REDKNOT_RETURN_IF_ERROR(visit(inner));
  }
  return Done{};
}

// Prepend and Replace are SentencePiece's alphabet. NFC is passed over: see vocabulary_files.h.
Status read_normalizer(const Json& step, TokenizerPipeline& pipeline) {
  const FileFields fields = file_fields(step, "tokenizer.json: normalizer");
  REDKNOT_TRY(const std::string type, type_of(fields, "a normalizer"));
  if (type == "NFC") return Done{};
  if (type == "Prepend") {
    REDKNOT_TRY(const auto prefix, fields.optional_text("prepend"));
    if (prefix != kSpacePiece) return refused("a normalizer", "Prepend with other than U+2581");
    pipeline.kind = TokenizerKind::kRankedPieces;
    pipeline.add_space_prefix = true;
    return Done{};
  }
  if (type == "Replace") {
    REDKNOT_TRY(const auto content, fields.optional_text("content"));
    const Json* pattern = fields.find("pattern");
    const Json* space = pattern ? file_fields(*pattern, "").find("String") : nullptr;
    if (content != kSpacePiece || space == nullptr || *space != " ") {
      return refused("a normalizer", "Replace of other than spaces by U+2581");
    }
    pipeline.kind = TokenizerKind::kRankedPieces;
    return Done{};
  }
  return refused("a normalizer", type);
}

// Puts a backslash before what an expression would not take literally.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(R"(\^$.[]|()?*+{}-)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

Status read_split(const FileFields& fields, TokenizerPipeline& pipeline) {
  const Json* pattern = fields.find("pattern");
  if (pattern == nullptr) return corrupt("tokenizer.json: a Split has no pattern");
  const FileFields pattern_fields = file_fields(*pattern, "tokenizer.json: pattern of a Split");
  REDKNOT_TRY(auto expression, pattern_fields.optional_text("Regex"));
  REDKNOT_TRY(const auto literal, pattern_fields.optional_text("String"));
  if (!expression && literal) expression = escaped(*literal);
  if (!expression) return corrupt("tokenizer.json: a Split has no pattern");
  REDKNOT_TRY(const auto behavior, fields.optional_text("behavior"));
  REDKNOT_TRY(const auto invert, fields.optional_boolean("invert"));
  // Inverted, "Removed" takes out what lies between matches, where such expressions leave nothing.
  const bool stands_apart =
      behavior == "Isolated" || (behavior == "Removed" && invert.value_or(false));
  if (!stands_apart) return refused("a Split", behavior.value_or("unknown behavior"));
  pipeline.split_expressions.push_back(std::move(*expression));
  return Done{};
}

Status read_metaspace(const FileFields& fields, TokenizerPipeline& pipeline) {
  REDKNOT_TRY(const auto replacement, fields.optional_text("replacement"));
  REDKNOT_TRY(const auto scheme, fields.optional_text("prepend_scheme"));
  REDKNOT_TRY(const auto prefix_space, fields.optional_boolean("add_prefix_space"));
  REDKNOT_TRY(const auto split, fields.optional_boolean("split"));
  if (replacement.value_or(kSpacePiece) != kSpacePiece) {
    return refused("a pre-tokenizer", "Metaspace with other than U+2581");
  }
  if (split.value_or(true)) return refused("a pre-tokenizer", "Metaspace with split");
  if (scheme && scheme != "always" && scheme != "first" && scheme != "never") {
    return refused("a pre-tokenizer", concat("Metaspace with prepend_scheme ", *scheme));
  }
  pipeline.kind = TokenizerKind::kRankedPieces;
  pipeline.add_space_prefix = scheme ? *scheme != "never" : prefix_space.value_or(true);
  pipeline.prefix_unless_space = true;
  pipeline.prefix_at_start_only = scheme == "first";
  return Done{};
}

Status read_pre_tokenizer(const Json& step, TokenizerPipeline& pipeline) {
  const FileFields fields = file_fields(step, "tokenizer.json: pre_tokenizer");
  REDKNOT_TRY(const std::string type, type_of(fields, "a pre-tokenizer"));
  if (type == "Split") return read_split(fields, pipeline);
  if (type == "Metaspace") return read_metaspace(fields, pipeline);
  if (type == "Digits") {
    REDKNOT_TRY(const auto individual, fields.optional_boolean("individual_digits"));
    pipeline.split_expressions.push_back(individual.value_or(false) ? R"(\p{N})" : R"(\p{N}+)");
    return Done{};
  }
  if (type == "Punctuation") {
    REDKNOT_TRY(const auto behavior, fields.optional_text("behavior"));
    const std::string how = behavior.value_or("Isolated");
    if (how != "Isolated" && how != "Contiguous") return refused("a Punctuation", how);
    pipeline.split_expressions.push_back(concat(kPunctuationClass, how == "Contiguous" ? "+" : ""));
    return Done{};
  }
  if (type == "ByteLevel") {
    REDKNOT_TRY(const auto use_regex, fields.optional_boolean("use_regex"));
    REDKNOT_TRY(const auto prefix_space, fields.optional_boolean("add_prefix_space"));
    if (prefix_space.value_or(false)) return refused("a ByteLevel", "add_prefix_space");
    pipeline.kind = TokenizerKind::kByteLevelBpe;
    if (use_regex.value_or(true)) pipeline.split_expressions.push_back(kByteLevelExpression);
    return Done{};
  }
  return refused("a pre-tokenizer", type);
}

// "single" is a list of special tokens and, once, the text itself.
Status read_template(const FileFields& fields, TokenizerPipeline& pipeline) {
  const Json* single = fields.find("single");
  if (single == nullptr || !single->is_array()) return fields.wrong_type("single", "an array");
  bool after_text = false;
  for (const Json& piece : *single) {
    const FileFields piece_fields = file_fields(piece, "tokenizer.json: post_processor");
    const Json* special = piece_fields.find("SpecialToken");
    if (special == nullptr) {
      after_text = true;
      continue;
    }
    REDKNOT_TRY(auto id,
                file_fields(*special, "tokenizer.json: post_processor").optional_text("id"));
    std::optional<std::string>& token = after_text ? pipeline.last_token : pipeline.first_token;
    if (!id || token) return refused("a post-processor", "TemplateProcessing with several tokens");
    token = std::move(id);
  }
  return Done{};
}

Status read_post_processor(const Json& step, TokenizerPipeline& pipeline) {
  const FileFields fields = file_fields(step, "tokenizer.json: post_processor");
  REDKNOT_TRY(const std::string type, type_of(fields, "a post-processor"));
  if (type == "ByteLevel") return Done{};  // trims offsets only
  if (type == "TemplateProcessing") return read_template(fields, pipeline);
  return refused("a post-processor", type);
}

}  // namespace

Result<TokenizerPipeline> read_tokenizer_pipeline(const Json& root) {
  const FileFields fields = file_fields(root, "tokenizer.json");
  TokenizerPipeline pipeline;
  REDKNOT_RETURN_IF_ERROR(
      for_each_step(fields.find("normalizer"), "normalizer", "normalizers",
                    [&](const Json& step) { return read_normalizer(step, pipeline); }));
  REDKNOT_RETURN_IF_ERROR(
      for_each_step(fields.find("pre_tokenizer"), "pre_tokenizer", "pretokenizers",
                    [&](const Json& step) { return read_pre_tokenizer(step, pipeline); }));
  REDKNOT_RETURN_IF_ERROR(
      for_each_step(fields.find("post_processor"), "post_processor", "processors",
                    [&](const Json& step) { return read_post_processor(step, pipeline); }));
  if (pipeline.kind == TokenizerKind::kNone) {
    return unsupported("tokenizer.json: neither byte-level nor in SentencePiece's alphabet");
  }
  if (pipeline.kind == TokenizerKind::kRankedPieces && !pipeline.split_expressions.empty()) {
    return unsupported("tokenizer.json: split expressions with SentencePiece's alphabet");
  }
  return pipeline;
}

}  // namespace redknot
