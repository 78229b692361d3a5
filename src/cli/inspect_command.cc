// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_command.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/option_checks.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kDescription[] =
    "Show what a model file holds and what memory it needs\n"
    "\n"
    "Usage: redknot inspect MODEL [OPTIONS]\n"
    "\n"
    "Prints configuration, tokenizer, bytes of KV cache, memory needed at a context\n"
    "length, and the tensors. Reads the file's header only.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot inspect model.gguf\n"
    "  redknot inspect model.gguf -c 8192,131072 --kv q8 --no-tensors\n"
    "  redknot inspect model.gguf --json | jq .kv\n"
    "\n";

// KV and memory figures of one format at one context length.
struct Cost {
  std::string kv;
  int context_tokens = 0;
  KvCost kv_cost;
};

// Tensors that differ in the layer number alone.
struct TensorGroup {
  std::string name;  // with {} for the layer number
  const TensorInfo* first = nullptr;
  int count = 0;
  std::size_t bytes = 0;
};

Result<std::vector<Cost>> costs(const ModelFile& file, const InspectOptions& options) {
  std::vector<Cost> out;
  for (const std::string& kv : options.kv) {
    for (const int asked : options.context_tokens) {
      const int context_tokens = asked > 0 ? asked : file.info().context_tokens;
      REDKNOT_TRY(const KvCost cost,
                  file.kv_cost(kv_from_name(kv), options.page_tokens, context_tokens));
      out.push_back({kv, context_tokens, cost});
    }
  }
  return out;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out;
  for (const std::int64_t extent : shape) out += (out.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + out + "]";
}

// "blk.12.attn_q.weight" becomes "blk.{}.attn_q.weight".
std::string without_layer(const std::string& name) {
  const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const std::size_t end = std::min(name.find('.', dot + 1), name.size());
    const bool number = end > dot + 1 && std::all_of(name.begin() + static_cast<long>(dot) + 1,
                                                     name.begin() + static_cast<long>(end), digit);
    if (number) return name.substr(0, dot + 1) + "{}" + name.substr(end);
  }
  return name;
}

std::vector<TensorGroup> grouped(const std::vector<TensorInfo>& tensors) {
  std::vector<TensorGroup> groups;
  for (const TensorInfo& tensor : tensors) {
    const std::string name = without_layer(tensor.name);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const TensorGroup& other) {
      return other.name == name && other.first->dtype == tensor.dtype &&
             other.first->shape == tensor.shape;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), {name, &tensor, 0, 0});
    ++group->count;
    group->bytes += tensor.bytes;
  }
  return groups;
}

std::string line(const char* name, const std::string& value) {
  return format("  %-18s %s\n", name, value.c_str());
}

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string token_or_none(int token) { return token < 0 ? "none" : std::to_string(token); }

std::string parameters_text(std::int64_t count) {
  const double value = static_cast<double>(count);
  return count >= 1'000'000'000 ? format("%.2f B", value / 1e9) : format("%.2f M", value / 1e6);
}

std::string configuration_text(const ModelInfo& m) {
  std::string out = "Model\n";
  out += line("name", m.name);
  out += line("architecture", m.architecture);
  out += line("format", m.format + ", " + human_bytes(m.file_bytes));
  out += line("parameters", parameters_text(m.parameters));
  out += line("layers", std::to_string(m.layers));
  out += line("hidden size", std::to_string(m.hidden_size));
  out += line("heads", format("%d query, %d KV, %d wide", m.query_heads, m.kv_heads, m.head_dim));
  out += line("intermediate size", std::to_string(m.intermediate_size));
  if (m.experts > 0) out += line("experts", format("%d, %d used", m.experts, m.experts_per_token));
  out += line("context", format("%d tokens", m.context_tokens));
  out += line("RoPE",
              format("base %g, ", m.rope_base) + m.rope_pairing + ", scaling " + m.rope_scaling);
  out += line("tied embeddings", yes_no(m.tied_embeddings));
  out += "\nTokenizer\n";
  out += line("kind", m.tokenizer + (m.pre_tokenizer.empty() ? "" : ", " + m.pre_tokenizer));
  out += line("vocabulary", format("%d tokens", m.vocabulary_size));
  out += line("BOS, EOS", token_or_none(m.bos) + ", " + token_or_none(m.eos));
  out += line("adds BOS", yes_no(m.add_bos));
  out += line("chat template", yes_no(!m.chat_template.empty()));
  return out;
}

std::string cost_text(const std::vector<Cost>& costs, const InspectOptions& options,
                      std::size_t weight_bytes) {
  std::string out = format("\nKV cache, pages of %d tokens\n", options.page_tokens);
  out += "  format   bytes per token   per token of one (layer, KV head)\n";
  std::string last;
  for (const Cost& cost : costs) {
    if (cost.kv == last) continue;
    last = cost.kv;
    out += format("  %-6s %17zu %35zu\n", cost.kv.c_str(), cost.kv_cost.bytes_per_token,
                  cost.kv_cost.bytes_per_token_per_head);
  }
  out += "\nMemory needed\n";
  out += "   context   KV format       weights            KV         total\n";
  for (const Cost& cost : costs) {
    const std::size_t kv_bytes = cost.kv_cost.bytes_at_context;
    out += format("  %8d   %-9s %13s %13s %13s\n", cost.context_tokens, cost.kv.c_str(),
                  human_bytes(weight_bytes).c_str(), human_bytes(kv_bytes).c_str(),
                  human_bytes(weight_bytes + kv_bytes).c_str());
  }
  return out;
}

// What each head keeps under the profile, at one context length.
struct HeadTable {
  int context_tokens = 0;
  std::vector<HeadKv> heads;
};
using HeadTables = std::vector<HeadTable>;

Result<HeadTables> head_tables(const ModelFile& file, const InspectOptions& options) {
  HeadTables tables;
  if (options.profile.empty()) return tables;
  for (const int asked : options.context_tokens) {
    const int context_tokens = asked > 0 ? asked : file.info().context_tokens;
    HeadTable& table = tables.emplace_back(HeadTable{context_tokens, {}});
    REDKNOT_TRY(table.heads, file.profile_kv(options.profile, options.page_tokens, context_tokens));
  }
  return tables;
}

// "global f16", "4+64 q8": sink and window, "4+128+8p q8": and pages that a query selects.
std::string head_text(const HeadKv& head) {
  std::string seen = "global";
  if (head.local || head.top_pages > 0) {
    seen = format("%d+%d", head.sink_tokens, head.window_tokens);
  }
  if (head.top_pages > 0) seen += format("+%dp", head.top_pages);
  return seen.append(" ").append(name(head.dtype));
}

const char* class_name(const HeadKv& head) {
  return head.local ? "local" : head.top_pages > 0 ? "retrieval" : "global";
}

std::string heads_text(const ModelInfo& model, const HeadTables& tables) {
  std::string out;
  for (const HeadTable& table : tables) {
    out +=
        format("\nHead profile at %d tokens: first tokens + window (+ pages selected), or global\n",
               table.context_tokens);
    std::size_t all = 0;
    for (int layer = 0; layer < model.layers; ++layer) {
      std::size_t bytes = 0;
      std::string heads;
      for (int kv_head = 0; kv_head < model.kv_heads; ++kv_head) {
        const HeadKv& head =
            table.heads[static_cast<std::size_t>(layer) * model.kv_heads + kv_head];
        bytes += head.bytes;
        heads += format(" %14s", head_text(head).c_str());
      }
      out += format("  layer %-4d %12s %s\n", layer, human_bytes(bytes).c_str(), heads.c_str());
      all += bytes;
    }
    out += format("  all        %12s\n", human_bytes(all).c_str());
  }
  return out;
}

Json heads_json(const ModelInfo& model, const HeadTables& tables) {
  Json out = Json::array();
  for (const HeadTable& table : tables) {
    for (std::size_t i = 0; i < table.heads.size(); ++i) {
      const HeadKv& head = table.heads[i];
      out.push_back({{"context_tokens", table.context_tokens},
                     {"layer", static_cast<int>(i) / model.kv_heads},
                     {"kv_head", static_cast<int>(i) % model.kv_heads},
                     {"class", class_name(head)},
                     {"sink_tokens", head.sink_tokens},
                     {"window_tokens", head.window_tokens},
                     {"top_pages", head.top_pages},
                     {"format", name(head.dtype)},
                     {"bytes", head.bytes}});
    }
  }
  return out;
}

std::string tensors_text(const ModelInfo& info, bool all) {
  std::string out = format("\nTensors: %zu\n", info.tensors.size());
  if (all) {
    for (const TensorInfo& tensor : info.tensors) {
      out += format("  %-40s %-6s %-22s %12s\n", tensor.name.c_str(), tensor.dtype.c_str(),
                    shape_text(tensor.shape).c_str(), human_bytes(tensor.bytes).c_str());
    }
    return out;
  }
  for (const TensorGroup& group : grouped(info.tensors)) {
    out += format("  %4d x %-36s %-6s %-22s %12s\n", group.count, group.name.c_str(),
                  group.first->dtype.c_str(), shape_text(group.first->shape).c_str(),
                  human_bytes(group.bytes).c_str());
  }
  return out;
}

Json model_json(const ModelInfo& m) {
  return {{"name", m.name},
          {"architecture", m.architecture},
          {"format", m.format},
          {"file_bytes", m.file_bytes},
          {"parameters", m.parameters},
          {"layers", m.layers},
          {"hidden_size", m.hidden_size},
          {"query_heads", m.query_heads},
          {"kv_heads", m.kv_heads},
          {"head_dim", m.head_dim},
          {"intermediate_size", m.intermediate_size},
          {"experts", m.experts},
          {"experts_per_token", m.experts_per_token},
          {"context_tokens", m.context_tokens},
          {"rope_base", m.rope_base},
          {"rope_pairing", m.rope_pairing},
          {"rope_scaling", m.rope_scaling},
          {"tied_embeddings", m.tied_embeddings}};
}

Json tokenizer_json(const ModelInfo& m) {
  return {{"kind", m.tokenizer},
          {"pre_tokenizer", m.pre_tokenizer},
          {"vocabulary_size", m.vocabulary_size},
          {"bos", m.bos < 0 ? Json() : Json(m.bos)},
          {"eos", m.eos < 0 ? Json() : Json(m.eos)},
          {"add_bos", m.add_bos},
          {"has_chat_template", !m.chat_template.empty()}};
}

std::string to_json(const ModelFile& file, const std::vector<Cost>& costs, const HeadTables& heads,
                    const InspectOptions& options) {
  const std::size_t weight_bytes = file.packed_weight_bytes();
  Json kv = Json::array();
  for (const Cost& cost : costs) {
    kv.push_back({{"format", cost.kv},
                  {"page_tokens", options.page_tokens},
                  {"bytes_per_token", cost.kv_cost.bytes_per_token},
                  {"bytes_per_token_per_head", cost.kv_cost.bytes_per_token_per_head},
                  {"context_tokens", cost.context_tokens},
                  {"bytes_at_context", cost.kv_cost.bytes_at_context},
                  {"total_bytes", weight_bytes + cost.kv_cost.bytes_at_context}});
  }
  Json out = {{"model", model_json(file.info())},
              {"tokenizer", tokenizer_json(file.info())},
              {"weight_bytes", weight_bytes},
              {"kv", kv}};
  if (!heads.empty()) out["heads"] = heads_json(file.info(), heads);
  if (!options.no_tensors) {
    out["tensors"] = Json::array();
    for (const TensorInfo& t : file.info().tensors) {
      out["tensors"].push_back(
          {{"name", t.name}, {"dtype", t.dtype}, {"shape", t.shape}, {"bytes", t.bytes}});
    }
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

CLI::App* add_inspect(CLI::App& app, InspectOptions& options) {
  CLI::App* verb = app.add_subcommand("inspect", kDescription);
  verb->add_option("MODEL,-m,--model", options.model,
                   "The model: a GGUF file, or a Hugging Face folder.")
      ->type_name("PATH")
      ->required()
      ->group("Model");
  add_profile_file(*verb, options.profile);
  verb->add_option("-c,--ctx-size", options.context_tokens,
                   "Context lengths to state the needed memory for, separated by commas; 0: as "
                   "the model was trained.")
      ->type_name("TOKENS")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(integer_in(0, kMaxTokens))
      ->default_str("4096")
      ->group("Memory");
  verb->add_option("--kv", options.kv,
                   "Formats of the KV cache, separated by commas: f16, q8, k8v4, f32.")
      ->type_name("FORMAT")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(one_of(kv_names()))
      ->default_str("f16,q8")
      ->group("Memory");
  add_page_tokens(*verb, options.page_tokens);
  verb->get_option("--page-tokens")->group("Memory");
  auto* all = verb->add_flag("--tensors", options.all_tensors,
                             "List every tensor, instead of one line for those that differ in "
                             "their layer alone.");
  auto* none = verb->add_flag("--no-tensors", options.no_tensors, "List no tensors.");
  auto* json = verb->add_flag("--json", options.json,
                              "Print one JSON object: model, tokenizer, weight_bytes, kv (one "
                              "entry for each format and context length), with --profile heads "
                              "(bytes of each at each context length), tensors.");
  all->excludes(none)->excludes(json);
  for (CLI::Option* option : {all, none, json}) option->group("Output");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> inspect(const InspectOptions& options) {
  REDKNOT_TRY(const ModelFile file, ModelFile::open(options.model));
  REDKNOT_TRY(const std::vector<Cost> table, costs(file, options));
  REDKNOT_TRY(const HeadTables heads, head_tables(file, options));
  if (options.json) {
    REDKNOT_RETURN_IF_ERROR(print(to_json(file, table, heads, options)));
    return ExitCode::kSuccess;
  }
  std::string text = configuration_text(file.info());
  text += cost_text(table, options, file.packed_weight_bytes());
  text += heads_text(file.info(), heads);
  if (!options.no_tensors) text += tensors_text(file.info(), options.all_tensors);
  REDKNOT_RETURN_IF_ERROR(print(text));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
