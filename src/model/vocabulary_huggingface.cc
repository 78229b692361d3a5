// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "model/json.h"
#include "model/tokenizer_json.h"
#include "model/vocabulary_files.h"

namespace redknot {
namespace {

using Ids = std::unordered_map<std::string_view, TokenId>;

// Every id is below this: an entry takes more bytes than one, so a file cannot name more tokens
// than it has bytes.
Status check_id(const Json& id, std::size_t file_bytes, std::string_view token) {
  if (id.is_number_unsigned() && id.get<std::uint64_t>() < file_bytes) return Done{};
  return corrupt("tokenizer.json: the id of token \"", token.substr(0, 80), "\" is out of range");
}

void set_token(Vocabulary& vocabulary, std::size_t id, VocabularyToken token) {
  if (vocabulary.tokens.size() <= id) {
    vocabulary.tokens.resize(id + 1, VocabularyToken{.text = "", .kind = TokenKind::kUnused});
  }
  vocabulary.tokens[id] = std::move(token);
}

bool is_byte_token(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) && is_hex(text[4]) &&
         text[5] == '>';
}

Status read_tokens(const Json& model, std::size_t file_bytes, Vocabulary& vocabulary) {
  const FileFields fields = file_fields(model, "tokenizer.json: model");
  const Json* tokens = fields.find("vocab");
  if (tokens == nullptr || !tokens->is_object()) return fields.wrong_type("vocab", "an object");
  REDKNOT_TRY(const auto byte_fallback, fields.optional_boolean("byte_fallback"));
  for (const auto& [text, id] : tokens->items()) {
    REDKNOT_RETURN_IF_ERROR(check_id(id, file_bytes, text));
    const bool byte = byte_fallback.value_or(false) && is_byte_token(text);
    set_token(vocabulary, id.get<std::size_t>(),
              {.text = text, .kind = byte ? TokenKind::kByte : TokenKind::kNormal});
  }
  return Done{};
}

Status read_added_tokens(const Json& root, std::size_t file_bytes, Vocabulary& vocabulary) {
  const Json* added = file_fields(root, "tokenizer.json").find("added_tokens");
  if (added == nullptr) return Done{};
  if (!added->is_array()) return corrupt("tokenizer.json: added_tokens is not an array");
  for (const Json& entry : *added) {
    const FileFields fields = file_fields(entry, "tokenizer.json: added_tokens");
    REDKNOT_TRY(auto text, fields.optional_text("content"));
    const Json* id = fields.find("id");
    if (!text || id == nullptr) return corrupt("tokenizer.json: added_tokens: no content or no id");
    REDKNOT_RETURN_IF_ERROR(check_id(*id, file_bytes, *text));
    REDKNOT_TRY(const auto special, fields.optional_boolean("special"));
    REDKNOT_TRY(const auto strip_left, fields.optional_boolean("lstrip"));
    REDKNOT_TRY(const auto strip_right, fields.optional_boolean("rstrip"));
    set_token(vocabulary, id->get<std::size_t>(),
              {.text = std::move(*text),
               .kind = special.value_or(false) ? TokenKind::kControl : TokenKind::kUserDefined,
               .strip_left = strip_left.value_or(false),
               .strip_right = strip_right.value_or(false)});
  }
  return Done{};
}

// A merge is "a b", or in newer files ["a", "b"].
Status read_merges(const Json& model, Vocabulary& vocabulary) {
  const Json* merges = file_fields(model, "").find("merges");
  if (merges == nullptr || !merges->is_array()) {
    return corrupt("tokenizer.json: model: merges is not an array");
  }
  vocabulary.merges.reserve(merges->size());
  for (const Json& merge : *merges) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      vocabulary.merges.emplace_back(merge[0].get_ref<const std::string&>(),
                                     merge[1].get_ref<const std::string&>());
      continue;
    }
    const std::string_view text = merge.is_string()
                                      ? std::string_view(merge.get_ref<const std::string&>())
                                      : std::string_view();
    const std::size_t space = text.empty() ? text.npos : text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == text.size()) {
      return corrupt("tokenizer.json: model: merge ", vocabulary.merges.size(),
                     " is not two parts");
    }
    vocabulary.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return Done{};
}

Ids ids_by_text(const Vocabulary& vocabulary) {
  Ids ids;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    ids.emplace(vocabulary.tokens[id].text, TokenId{static_cast<std::int32_t>(id)});
  }
  return ids;
}

std::optional<TokenId> find_id(const Ids& ids, const std::optional<std::string>& text) {
  if (!text || text->empty()) return std::nullopt;
  const auto found = ids.find(*text);
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

// A special token is its text, or an object with its text as "content".
std::optional<std::string> special_text(const Json& config, const char* key) {
  const Json* value = file_fields(config, "").find(key);
  if (value != nullptr && value->is_object()) value = file_fields(*value, "").find("content");
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get_ref<const std::string&>();
}

// The ids under a key that holds an integer or an array of them, as far as there are such tokens.
std::vector<TokenId> ids_under(const Json& config, const char* key, std::size_t token_count) {
  std::vector<TokenId> out;
  const auto add = [&](const Json& id) {
    if (id.is_number_unsigned() && id.get<std::uint64_t>() < token_count) {
      out.push_back(TokenId{id.get<std::int32_t>()});
    }
  };
  const Json* value = file_fields(config, "").find(key);
  if (value == nullptr) return out;
  if (!value->is_array()) add(*value);
  if (value->is_array()) std::ranges::for_each(*value, add);
  return out;
}

struct Configs {
  Json tokenizer, specials, generation, model;  // objects; empty where there is no file
};

Result<Json> parse_config(const std::string& text, std::string_view file) {
  if (text.empty()) return Json(Json::object());
  return parse_json_object(text, file);
}

Result<Configs> parse_configs(const HuggingFaceTokenizerFiles& files) {
  Configs configs;
  REDKNOT_TRY(configs.tokenizer, parse_config(files.tokenizer_config, "tokenizer_config.json"));
  REDKNOT_TRY(configs.specials, parse_config(files.special_tokens_map, "special_tokens_map.json"));
  REDKNOT_TRY(configs.generation, parse_config(files.generation_config, "generation_config.json"));
  REDKNOT_TRY(configs.model, parse_config(files.config, "config.json"));
  return configs;
}

// By text where a config names one, else by the ids of generation_config.json and config.json.
std::optional<TokenId> resolve_special(const Configs& configs, const Ids& ids,
                                       std::size_t token_count, const std::string& word) {
  const std::string text_key = word + "_token";
  const std::string id_key = text_key + "_id";
  for (const Json* config : {&configs.tokenizer, &configs.specials}) {
    const auto id = find_id(ids, special_text(*config, text_key.c_str()));
    if (id) return id;
  }
  for (const Json* config : {&configs.generation, &configs.model}) {
    const std::vector<TokenId> found = ids_under(*config, id_key.c_str(), token_count);
    if (!found.empty()) return found.front();
  }
  return std::nullopt;
}

Status apply_specials(const Configs& configs, const TokenizerPipeline& pipeline, const Json& model,
                      Vocabulary& vocabulary) {
  const Ids ids = ids_by_text(vocabulary);
  const std::size_t count = vocabulary.tokens.size();
  vocabulary.bos = resolve_special(configs, ids, count, "bos");
  vocabulary.eos = resolve_special(configs, ids, count, "eos");
  vocabulary.padding = resolve_special(configs, ids, count, "pad");
  const auto first = find_id(ids, pipeline.first_token);
  const auto last = find_id(ids, pipeline.last_token);
  if (first) vocabulary.bos = first;
  if (last) vocabulary.eos = last;
  vocabulary.unknown = find_id(ids, special_text(model, "unk_token"));
  if (vocabulary.unknown) {
    vocabulary.tokens[static_cast<std::size_t>(*vocabulary.unknown)].kind = TokenKind::kUnknown;
  }
  const FileFields fields = file_fields(configs.tokenizer, "tokenizer_config.json");
  REDKNOT_TRY(const auto add_bos, fields.optional_boolean("add_bos_token"));
  REDKNOT_TRY(const auto add_eos, fields.optional_boolean("add_eos_token"));
  vocabulary.add_bos = add_bos.value_or(first.has_value()) && vocabulary.bos;
  vocabulary.add_eos = add_eos.value_or(last.has_value()) && vocabulary.eos;
  for (const Json* config : {&configs.generation, &configs.model}) {
    const std::vector<TokenId> ends = ids_under(*config, "eos_token_id", count);
    vocabulary.end_of_generation.insert(vocabulary.end_of_generation.end(), ends.begin(),
                                        ends.end());
  }
  return Done{};
}

// One template, or several with names, of which "default" is the one for chats.
std::string chat_template(const Json& config) {
  const Json* value = file_fields(config, "").find("chat_template");
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) return "";
  for (const Json& entry : *value) {
    if (special_text(entry, "name") == "default") {
      return special_text(entry, "template").value_or("");
    }
  }
  return "";
}

}  // namespace

Result<Vocabulary> vocabulary_from_huggingface(const HuggingFaceTokenizerFiles& files) {
  REDKNOT_TRY(const Json root, parse_json_object(files.tokenizer, "tokenizer.json"));
  REDKNOT_TRY(const Configs configs, parse_configs(files));
  const FileFields fields = file_fields(root, "tokenizer.json");
  const Json* model = fields.find("model");
  if (model == nullptr || !model->is_object()) return fields.wrong_type("model", "an object");
  const FileFields model_fields = file_fields(*model, "tokenizer.json: model");
  REDKNOT_TRY(const auto type, model_fields.optional_text("type"));
  if (type.value_or("BPE") != "BPE") {
    return unsupported("tokenizer.json: the model is ", type->substr(0, 40), "; BPE runs");
  }
  REDKNOT_TRY(TokenizerPipeline pipeline, read_tokenizer_pipeline(root));

  Vocabulary vocabulary;
  vocabulary.kind = pipeline.kind;
  vocabulary.split_expressions = std::move(pipeline.split_expressions);
  vocabulary.add_space_prefix = pipeline.add_space_prefix;
  vocabulary.prefix_unless_space = pipeline.prefix_unless_space;
  vocabulary.prefix_at_start_only = pipeline.prefix_at_start_only;
  REDKNOT_TRY(const auto ignore_merges, model_fields.optional_boolean("ignore_merges"));
  vocabulary.ignore_merges = ignore_merges.value_or(false);
  REDKNOT_RETURN_IF_ERROR(read_tokens(*model, files.tokenizer.size(), vocabulary));
  REDKNOT_RETURN_IF_ERROR(read_added_tokens(root, files.tokenizer.size(), vocabulary));
  if (vocabulary.tokens.empty()) return corrupt("tokenizer.json: the vocabulary is empty");
  REDKNOT_RETURN_IF_ERROR(read_merges(*model, vocabulary));
  REDKNOT_RETURN_IF_ERROR(apply_specials(configs, pipeline, *model, vocabulary));
  vocabulary.chat_template =
      files.chat_template.empty() ? chat_template(configs.tokenizer) : files.chat_template;
  complete_vocabulary(vocabulary);
  return vocabulary;
}

}  // namespace redknot
