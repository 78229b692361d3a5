// SPDX-License-Identifier: Apache-2.0
// RedKnot: large language models over long contexts, with a KV cache split along KV heads.
//
//   auto engine = redknot::Engine::open({.model = "model.gguf"});
//   if (!engine.ok()) return report(engine.error());
//   auto generation = engine->generate({.prompt = {redknot::text_part("Once upon a time")}});
//   while (auto piece = generation->next()) std::cout << piece->text << std::flush;
//
// An Engine owns a model, the memory of all KV pages and one thread that runs the steps. It may be
// used from any thread. A Generation belongs to one thread at a time; destroying it cancels its
// request. Engines are independent: several can live in one process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redknot/activation_format.h"
#include "redknot/constraint.h"
#include "redknot/kv_format.h"
#include "redknot/recovery.h"
#include "redknot/result.h"
#include "redknot/sampling.h"

namespace redknot {

// Called on the opening thread while a model loads: what is being done, and how much of it.
using Progress = std::function<void(std::string_view activity, double fraction)>;

struct EngineOptions {
  std::filesystem::path model{};    // GGUF file or Hugging Face folder
  std::filesystem::path profile{};  // head profile of this model; empty: every head sees everything
  int threads = 0;                  // 0: one per core available to the process
  int context_tokens = 4096;        // longest sequence, prompt and answer; 0: as trained
  int max_sequences = 1;            // how many such sequences the KV memory must hold
  int segment_tokens = 0;           // and tokens of reusable parts, for all; -1: context_tokens
  std::size_t kv_bytes = 0;         // overrides both when not 0
  int page_tokens = 64;             // 16, 32, 64 or 128
  // Format of keys and values, which overrides the profile's. Empty: as the profile says; without
  // one, f32 for a model whose weights are not quantised (F32, F16, BF16), else f16.
  std::optional<KvFormat> kv{};
  // What activations are rounded to. Empty: 8 for a model with quantised weights, else exact.
  // kUnsupported for one that these weights or this CPU do not have.
  std::optional<ActivationFormat> activations{};
  int max_step_tokens = 512;  // tokens computed in one step
  int max_running = 64;       // sequences that run at a time, at most as a step has tokens
  int max_waiting = 1024;     // requests that wait for their turn; more are refused
  // Those who share the queue, told apart by Request::cache_salt: requests with one salt may take
  // 1/tenants of max_waiting, so that the others still get in.
  int tenants = 1;
  std::string kernels{};  // "": best for this CPU; "reference", "avx2", "avx512"
  // A file that every step is written to, with the tokens of prompts and answers, for
  // `redknot replay`; empty: none. A write that fails ends the recording, not the engine.
  std::filesystem::path record{};
  Progress progress{};
};

struct PromptPart {
  std::string text{};         // used when tokens is empty
  std::vector<int> tokens{};  // token ids, taken as they are
  bool parse_special = true;  // text such as "<|im_end|>" stands for its token
  bool reusable = false;      // a document, a tool list, an example: see Reuse
};
inline PromptPart text_part(std::string text) { return {.text = std::move(text)}; }
inline PromptPart token_part(std::vector<int> tokens) { return {.tokens = std::move(tokens)}; }

// What is taken from earlier requests. kPrefix: what a prompt begins with, if an earlier prompt or
// answer began alike; answers are those of kNone, bit for bit. kSegment: that too, and reusable
// parts: each is computed once, behind its canonical context, and adopted wherever it stands in a
// prompt; what it missed by being computed alone is recovered as RecoveryOptions say. Answers may
// differ from kNone, but not by what was at hand.
enum class Reuse { kNone, kPrefix, kSegment };

// Behind which tokens reusable parts are computed. kPrefix: all that stands before the first of
// them, which then misses nothing. kBare: the beginning-of-sequence token alone, so that prompts
// that begin differently share parts.
enum class CanonicalContext { kPrefix, kBare };

struct Request {
  std::vector<PromptPart> prompt{};
  Reuse reuse = Reuse::kPrefix;
  CanonicalContext canonical_context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  std::string cache_salt{};  // nothing is shared between requests with different ones
  int max_tokens = 128;      // -1: until the context is full
  Sampling sampling{};
  std::vector<std::string> stop{};  // answers end before any of these
  bool ignore_end = false;          // go on after an end-of-generation token
  bool add_bos = true;        // if the model's tokenizer asks for it; never before token parts
  bool show_special = false;  // the text of special tokens is part of the answer
  // Deliver the logits of every position (Piece::logits); with reused parts, of those behind them.
  bool all_logits = false;
  // Larger goes first, and takes the memory of smaller ones, which are computed again later.
  int priority = 0;
  double max_queue_seconds = 0;  // kUnavailable if it has not begun by then; 0: however long
  // Of KV pages that running requests with this cache_salt may hold together; 0: no limit.
  std::size_t kv_quota_bytes = 0;
  std::optional<Constraint> constraint{};  // what the answer has to be
};

enum class FinishReason { kNone, kStop, kLength, kError };

struct TokenProbability {
  int token = 0;
  std::string text;
  float log_probability = 0.0f;
};

// What next() returns: a token of the answer, or logits of the prompt, or the end.
struct Piece {
  int token = -1;      // -1 for pieces without a token
  std::string text{};  // whole UTF-8 characters; may be empty while one is incomplete
  std::optional<TokenProbability> probability{};
  std::vector<TokenProbability> top{};
  FinishReason finish = FinishReason::kNone;  // set on the last piece
  std::string stopped_by{};                   // the stop string that ended the answer, if one did
  // With all_logits: rows [logit_rows, vocabulary_size] of consecutive positions.
  std::vector<float> logits{};
  int logit_rows = 0;
};

// Where the tokens of a prompt came from: prefix + adopted + new = prompt.
struct Usage {
  int prompt_tokens = 0;
  int prefix_tokens = 0;     // at hand exactly as dense attention would compute them
  int adopted_tokens = 0;    // from reused parts, or computed behind such by an earlier request
  int new_tokens = 0;        // computed for this request
  int recovered_tokens = 0;  // of the adopted ones: computed again
  int built_tokens = 0;      // of reused parts and their context that were not at hand yet
  int generated_tokens = 0;
  // Multiplications and additions in products of matrices and in attention, all of them: of parts
  // that were not at hand, too.
  double flops = 0;
  // Of the pages that the sequence holds: those of its own, and those that it shares.
  std::size_t kv_private_bytes = 0, kv_shared_bytes = 0;
  double queue_seconds = 0;       // from submission to the first step
  double prompt_seconds = 0;      // from submission to the first token
  double generation_seconds = 0;  // from the first token to the last
};

class Generation {
 public:
  struct State;  // the library's own
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();  // cancels; pages are free at the next step, or kept for reuse until wanted

  // The next piece; waits for it. Nothing after the last piece.
  std::optional<Piece> next();
  // The same without waiting: nothing if no piece is at hand yet.
  std::optional<Piece> try_next();
  // `notify` is called, on the engine's thread, whenever a piece has been queued, and once now. It
  // must not block. Replaces an earlier one; after notify(nullptr) returns none is called any more.
  void notify(std::function<void()> notify);
  // Why the last piece said kError.
  const std::optional<Error>& error() const;
  Usage usage() const;

 private:
  friend class Engine;
  explicit Generation(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

struct TensorInfo {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;  // outermost first
  std::size_t bytes = 0;
};

struct ModelInfo {
  std::string name, architecture, format;
  std::size_t file_bytes = 0;
  std::int64_t parameters = 0;
  int layers = 0, hidden_size = 0, query_heads = 0, kv_heads = 0, head_dim = 0,
      intermediate_size = 0;
  int vocabulary_size = 0, context_tokens = 0, experts = 0, experts_per_token = 0;
  double rope_base = 0;
  std::string rope_pairing, rope_scaling;
  bool tied_embeddings = false;
  std::string tokenizer, pre_tokenizer;
  int bos = -1, eos = -1;
  bool add_bos = false;
  std::string chat_template;       // Jinja source; empty if the file has none
  std::string bos_text, eos_text;  // of these tokens; empty if there is none
  SamplingDefaults sampling;       // as the model's files have them
  std::vector<TensorInfo> tensors;
};

// Bytes of KV pages, exactly as the pool would allocate them.
struct KvCost {
  std::size_t bytes_per_token_per_head = 0;  // one (layer, KV head)
  std::size_t bytes_per_token = 0;           // all of them
  std::size_t bytes_at_context = 0;          // whole pages, all heads
};

// What a head profile says of itself.
struct ProfileSummary {
  int global_heads = 0, local_heads = 0, retrieval_heads = 0;
  bool validated = false;  // on text that was not used to choose it; if not, the rest is 0
  double kl_mean = 0;      // to dense attention, nats a token
  int context_tokens = 0;  // the longest it was validated at
  std::size_t kv_bytes = 0, dense_kv_bytes = 0;  // of a sequence of that length; dense in f16
  bool reuse_validated = false;  // what Reuse::kSegment costs under it has been measured
};

// What one (layer, KV head) keeps and sees.
struct HeadKv {
  KvFormat dtype = KvFormat::kF16;
  bool local = false;                      // keeps and sees only its first tokens and a window
  int sink_tokens = 0, window_tokens = 0;  // of heads that are local or select pages
  int top_pages = 0;  // > 0: keeps all, sees first tokens, window and so many pages of its choice
  bool recovers = false;         // computes reused tokens again in their place (kKnot)
  std::size_t bytes = 0;         // of pages
  std::size_t shared_bytes = 0;  // of those: reusable parts, held once for all
};

// Pages of one format.
struct PoolUse {
  KvFormat dtype = KvFormat::kF16;
  std::size_t page_bytes = 0;
  int total_pages = 0, free_pages = 0;
};

// A reusable part at hand. The same tokens behind several contexts are one entry.
struct SegmentInfo {
  std::string id;
  int tokens = 0;
  std::size_t bytes = 0;      // of pages
  int copies = 0;             // contexts that it was computed behind
  int uses = 0;               // prompts that adopted it
  double pinned_seconds = 0;  // so long it stays; 0: until its room is wanted
};

struct Stats {
  int sequences = 0;  // running
  int waiting = 0;
  int total_pages = 0, free_pages = 0;  // what is kept for reuse is not free
  std::size_t kv_bytes = 0;             // of all pages
  std::size_t weight_bytes = 0;         // packed weights in memory
  int layers = 0, kv_heads = 0;
  // [layers, kv_heads]; pages of reusable parts and those that running sequences hold beside them,
  // by the latest step.
  std::vector<HeadKv> heads;
  std::vector<PoolUse> pool;      // by format; formats without pages are left out
  std::uint64_t preemptions = 0;  // sequences that gave their pages to others meanwhile
  // Of requests that have their first token, by where their prompts' tokens came from (Usage).
  std::uint64_t prefix_tokens = 0, adopted_tokens = 0, recovered_tokens = 0, new_tokens = 0;
  // Reusable parts that a prompt asked for and that were at hand, or had to be computed; prompts
  // that may begin with an earlier one's tokens, and did, or did not.
  std::uint64_t segment_hits = 0, segment_misses = 0, prefix_hits = 0, prefix_misses = 0;
  int segments = 0;                     // reusable parts at hand
  std::uint64_t segment_evictions = 0;  // of those that had to make room
  std::uint64_t steps = 0;
  // Computed: rows of prompts, also of parts of them and those that are recovered; of answers.
  std::uint64_t prompt_tokens = 0, generated_tokens = 0;
  std::uint64_t recorded_steps = 0;  // written to EngineOptions::record
  std::string recording_stopped;     // why no more are written; empty as long as they are
  std::string kernels;               // "avx512", "avx2", "reference"
  ActivationFormat activations = ActivationFormat::k8;
  int threads = 0;
};

// A model's tokenizer alone. Const methods may be called from any thread.
class Tokenizer {
 public:
  struct State;  // the library's own
  // Any GGUF file with a vocabulary, whether or not RedKnot runs its architecture, a Hugging Face
  // folder, or a tokenizer.json.
  static Result<Tokenizer> open(const std::filesystem::path& path);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Token ids. With add_special, BOS and EOS as the model asks for them; with parse_special, text
  // such as "<|im_end|>" stands for its token. kInvalidArgument if the text cannot be expressed.
  Result<std::vector<int>> tokenize(std::string_view text, bool add_special,
                                    bool parse_special) const;
  // The text of the tokens. Special tokens are left out unless asked for. kInvalidArgument for an
  // id out of range.
  Result<std::string> detokenize(std::span<const int> tokens, bool show_special) const;
  int size() const;

 private:
  friend class Engine;
  explicit Tokenizer(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

// Reads a model's header; packs nothing and starts no thread.
class ModelFile {
 public:
  static Result<ModelFile> open(const std::filesystem::path& path);
  ModelFile(ModelFile&&) noexcept;
  ModelFile& operator=(ModelFile&&) noexcept;
  ~ModelFile();

  const ModelInfo& info() const;
  // kInvalidArgument for page_tokens or context_tokens out of range.
  Result<KvCost> kv_cost(std::optional<KvFormat> kv, int page_tokens, int context_tokens) const;
  // What each head keeps of a sequence of so many tokens under a profile of this model,
  // [layers, kv_heads]. Reads the model's file once. The errors of Engine::open for a profile.
  Result<std::vector<HeadKv>> profile_kv(const std::filesystem::path& profile, int page_tokens,
                                         int context_tokens) const;
  std::size_t packed_weight_bytes() const;  // what Engine::open will hold in memory

 private:
  struct State;
  explicit ModelFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Engine {
 public:
  // Loads the model, packs its weights, allocates and touches all KV memory, starts the loop.
  static Result<Engine> open(const EngineOptions& options);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();  // cancels what still runs

  // Queues a request. kInvalidArgument naming the field; kResourceExhausted if it can never fit;
  // kUnavailable if the queue is full.
  Result<Generation> generate(Request request);
  // Several answers to one prompt, whose pages they share; the i-th is sampled with seed + i.
  // The errors of generate(), and kInvalidArgument for less than one answer.
  Result<std::vector<Generation>> generate_several(Request request, int answers);

  // Has the reusable parts of a prompt computed, behind their canonical context, for requests that
  // begin alike (kPrefix) or for all (kBare). The generation ends when they are at hand; its
  // usage says which were computed. The errors of generate().
  struct PreloadOptions {
    CanonicalContext canonical_context = CanonicalContext::kPrefix;
    std::string cache_salt{};
    std::size_t kv_quota_bytes = 0;  // as Request's
  };
  Result<Generation> preload(std::vector<PromptPart> prompt, PreloadOptions options);
  Result<Generation> preload(std::vector<PromptPart> prompt);

  // Names a reusable part by its tokens: 32 hexadecimal digits.
  static std::string segment_id(std::span<const int> tokens);
  // Reusable parts of one salt that are at hand. These three wait for the step under way.
  std::vector<SegmentInfo> segments(const std::string& cache_salt);
  // Drops them, all with an empty id; those in use when their last user ends. How many.
  int drop_segments(const std::string& cache_salt, const std::string& id);
  // Keeps one for so long, whoever wants its room; 0 lets it go. False if it is not at hand, if
  // half of the KV memory is pinned already, or if what its salt has pinned would exceed the quota;
  // 0: no limit. Copies of it that come later are kept too, within the same limits.
  bool pin_segment(const std::string& cache_salt, const std::string& id, double seconds,
                   std::size_t kv_quota_bytes = 0);

  const ModelInfo& model() const;
  int context_tokens() const;             // of the longest sequence
  const Tokenizer* tokenizer() const;     // null if the model has none
  const ProfileSummary* profile() const;  // null without a profile
  Stats stats() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace redknot
