// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "engine/describe_model.h"
#include "engine/engine_core.h"
#include "engine/profile_choice.h"
#include "kv/page_allocator.h"
#include "kv/peak_pages.h"
#include "kv/sequence_kv.h"
#include "redknot/redknot.h"
#include "runtime/packed_weights.h"

namespace redknot {
namespace {

Status check_cost(int page_tokens, int context_tokens) {
  const Status checked = check_page_tokens(page_tokens);
  if (!checked.ok()) return checked.error().within("KV cost");
  if (context_tokens >= 0 && context_tokens <= kMaxContextTokens) return Done{};
  return invalid("KV cost: context_tokens is ", context_tokens, ", not in 0..", kMaxContextTokens);
}

std::string tokenizer_name(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kNone:
      return "none";
    case TokenizerKind::kByteLevelBpe:
      return "byte-level BPE";
    case TokenizerKind::kSentencePiece:
      return "SentencePiece";
    case TokenizerKind::kRankedPieces:
      return "SentencePiece alphabet, BPE ranks";
  }
  return "";
}

std::string text_of(const Vocabulary& vocabulary, std::optional<TokenId> token) {
  if (!token) return {};
  const auto index = static_cast<std::size_t>(*token);
  return index < vocabulary.tokens.size() ? vocabulary.tokens[index].text : std::string();
}

void add_vocabulary(const Vocabulary& vocabulary, ModelInfo& info) {
  info.tokenizer = tokenizer_name(vocabulary.kind);
  info.pre_tokenizer = vocabulary.pre_tokenizer;
  if (vocabulary.bos) info.bos = static_cast<int>(*vocabulary.bos);
  if (vocabulary.eos) info.eos = static_cast<int>(*vocabulary.eos);
  info.add_bos = vocabulary.add_bos;
  info.chat_template = vocabulary.chat_template;
  info.bos_text = text_of(vocabulary, vocabulary.bos);
  info.eos_text = text_of(vocabulary, vocabulary.eos);
}

}  // namespace

ModelInfo describe(const Model& model) {
  const ModelConfig& config = model.config();
  ModelInfo info;
  info.name = config.name;
  info.architecture = name(config.architecture);
  info.format = model.format();
  info.file_bytes = model.file_bytes();
  info.layers = config.layers;
  info.hidden_size = config.hidden_size;
  info.query_heads = config.query_heads;
  info.kv_heads = config.kv_heads;
  info.head_dim = config.head_dim;
  info.intermediate_size = config.intermediate_size;
  info.vocabulary_size = config.vocabulary_size;
  info.context_tokens = config.context_tokens;
  info.experts = config.experts;
  info.experts_per_token = config.experts_per_token;
  info.rope_base = config.rope.base;
  info.rope_pairing =
      config.rope.pairing == RopePairing::kInterleaved ? "interleaved" : "half-split";
  info.rope_scaling = name(config.rope.scaling);
  info.tied_embeddings = model.weights().tied;
  add_vocabulary(model.vocabulary(), info);
  info.sampling = model.sampling();
  for (const TensorListing& tensor : model.tensors()) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : tensor.shape) elements *= extent;
    info.parameters += elements;
    info.tensors.push_back(
        {tensor.name, std::string(name(tensor.dtype)), tensor.shape, tensor.bytes});
  }
  return info;
}

struct ModelFile::State {
  Model model;
  ModelInfo info;
};

ModelFile::ModelFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;
ModelFile::~ModelFile() = default;

Result<ModelFile> ModelFile::open(const std::filesystem::path& path) {
  REDKNOT_TRY(Model model, Model::open(path));
  ModelInfo info = describe(model);
  return ModelFile(std::make_unique<State>(State{std::move(model), std::move(info)}));
}

const ModelInfo& ModelFile::info() const { return state_->info; }

Result<KvCost> ModelFile::kv_cost(std::optional<KvFormat> kv, int page_tokens,
                                  int context_tokens) const {
  const ModelConfig& config = state_->model.config();
  REDKNOT_RETURN_IF_ERROR(check_cost(page_tokens, context_tokens));
  const PageShape shape{.page_tokens = page_tokens, .head_dim = config.head_dim};
  const auto heads =
      static_cast<std::size_t>(config.layers) * static_cast<std::size_t>(config.kv_heads);
  const std::size_t page_bytes = shape.bytes(kv.value_or(auto_kv_format(state_->model)));
  const auto pages = static_cast<std::size_t>((context_tokens + page_tokens - 1) / page_tokens);
  KvCost cost;
  cost.bytes_per_token_per_head = page_bytes / static_cast<std::size_t>(page_tokens);
  cost.bytes_per_token = page_bytes * heads / static_cast<std::size_t>(page_tokens);
  cost.bytes_at_context = page_bytes * heads * pages;
  return cost;
}

Result<std::vector<HeadKv>> ModelFile::profile_kv(const std::filesystem::path& profile,
                                                  int page_tokens, int context_tokens) const {
  REDKNOT_RETURN_IF_ERROR(check_cost(page_tokens, context_tokens));
  EngineOptions options;
  options.profile = profile;
  ThreadPool threads(available_cores());
  REDKNOT_TRY(const ProfileFile file, open_profile(options, state_->model, threads));
  const PageShape shape = page_shape(file.profile, page_tokens, state_->model.config().head_dim);
  std::vector<HeadKv> heads;
  for (const HeadPolicy& policy : file.profile.policies) {
    const auto pages = peak_pages({.layers = 1, .kv_heads = 1, .policies = {policy}}, shape,
                                  context_tokens, /*chunk_tokens=*/1);
    HeadKv& head = heads.emplace_back(describe(policy));
    head.bytes =
        static_cast<std::size_t>(pages[index_of(policy.kv_format)]) * shape.bytes(policy.kv_format);
  }
  return heads;
}

std::size_t ModelFile::packed_weight_bytes() const {
  return PackedWeights::packed_bytes(state_->model.weights());
}

}  // namespace redknot
