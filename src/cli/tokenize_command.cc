// SPDX-License-Identifier: Apache-2.0
#include "cli/tokenize_command.h"

#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "cli/input.h"
#include "cli/option_checks.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Turn text into token ids, or token ids into text\n"
    "\n"
    "Usage: redknot tokenize -m MODEL (-p TEXT | -f FILE | --stdin | --decode IDS)\n"
    "                        [OPTIONS]\n"
    "\n"
    "Prints a line \"id -> 'text'\" for each token. Bytes that are not printable text\n"
    "are shown as \\n, \\t, \\\\ or \\xNN.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot tokenize -m model.gguf -p \"Once upon a time\"\n"
    "  redknot tokenize -m model.gguf -f book.txt --ids --no-bos > ids.json\n"
    "  redknot tokenize -m model.gguf --decode ids.json\n"
    "  redknot tokenize -m model.gguf --decode \"1 9038 2501\"\n"
    "\n";

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const Utf8Character character = first_character(text);
    const bool valid = character.state == Utf8State::kValid;
    const std::size_t size = valid ? static_cast<std::size_t>(character.length) : 1;
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\\') {
      out += "\\\\";
    } else if (!valid || byte < 0x20 || byte == 0x7f) {
      out += format("\\x%02X", byte);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

Result<std::string> input_text(const TokenizeOptions& options) {
  if (options.text) return *options.text;
  return read_input(options.file ? *options.file : "-");
}

// "1 2 3" or "1, 2, 3" and JSON stand for themselves; anything else names a file.
Result<std::vector<int>> input_ids(const std::string& argument) {
  const std::size_t start = argument.find_first_not_of(" \t\n");
  const bool json =
      start != std::string::npos && (argument[start] == '[' || argument[start] == '{');
  if (json) return parse_token_ids(argument, "--decode");
  if (argument.find_first_not_of("0123456789, \t\n") != std::string::npos) {
    REDKNOT_TRY(const std::string text, read_input(argument));
    return parse_token_ids(text, argument);
  }
  std::string list;
  bool separate = false;
  for (const char c : argument) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && separate && !list.empty()) list += ',';
    if (digit) list += c;
    separate = !digit;
  }
  return parse_token_ids("[" + list + "]", "--decode");
}

Result<std::string> listing(const Tokenizer& tokenizer, const std::vector<int>& ids) {
  std::string out;
  for (const int id : ids) {
    REDKNOT_TRY(const std::string text, tokenizer.detokenize({&id, 1}, /*show_special=*/true));
    out += format("%6d -> '%s'\n", id, printable(text).c_str());
  }
  return out;
}

std::string id_array(const std::vector<int>& ids) {
  std::string out;
  for (const int id : ids) out += (out.empty() ? "" : ", ") + std::to_string(id);
  return "[" + out + "]\n";
}

Status decode(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  REDKNOT_TRY(const std::vector<int> ids, input_ids(*options.decode));
  REDKNOT_TRY(const std::string text, tokenizer.detokenize(ids, options.special));
  return print(text + "\n");
}

Status encode(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  REDKNOT_TRY(const std::string text, input_text(options));
  REDKNOT_TRY(const std::vector<int> ids,
              tokenizer.tokenize(text, !options.no_bos, !options.no_parse_special));
  std::string out;
  if (options.ids) {
    out = id_array(ids);
  } else {
    REDKNOT_TRY(out, listing(tokenizer, ids));
  }
  if (options.show_count) out += format("Total number of tokens: %zu\n", ids.size());
  return print(out);
}

}  // namespace

CLI::App* add_tokenize(CLI::App& app, TokenizeOptions& options) {
  CLI::App* verb = app.add_subcommand("tokenize", kDescription);
  add_model(*verb, options.model);
  verb->get_option("--model")->description(
      "Whose tokenizer: a GGUF file with a vocabulary, a Hugging Face folder, or a "
      "tokenizer.json.");
  auto* text = verb->add_option("-p,--prompt", options.text, "The text.")->type_name("TEXT");
  auto* file = verb->add_option("-f,--file", options.file,
                                "Read the text from a file, to the last byte; \"-\" is standard "
                                "input.")
                   ->type_name("FILE");
  auto* from_stdin = verb->add_flag("--stdin", options.from_stdin,
                                    "Read the text from standard input, to the last byte.");
  auto* decode = verb->add_option("--decode", options.decode,
                                  "Print the text of these token ids, and a newline: \"1 2 3\", "
                                  "\"[1, 2, 3]\", or a JSON file as run --tokens takes it.")
                     ->type_name("IDS");
  auto* no_bos = verb->add_flag("--no-bos", options.no_bos,
                                "Add no beginning-of-sequence token (nor one at the end), even if "
                                "the model asks for one.");
  auto* no_special =
      verb->add_flag("--no-parse-special", options.no_parse_special,
                     "Take text such as \"<|im_end|>\" literally, not as its token.");
  auto* special = verb->add_flag("--special", options.special,
                                 "With --decode: print special tokens as text too.");
  auto* ids =
      verb->add_flag("--ids", options.ids, "Print only the ids, as a JSON array: [1, 2, 3].");
  auto* count =
      verb->add_flag("--show-count", options.show_count, "Print the number of tokens at the end.");
  text->excludes(file)->excludes(from_stdin)->excludes(decode);
  file->excludes(from_stdin)->excludes(decode);
  from_stdin->excludes(decode);
  special->needs(decode);
  for (CLI::Option* option : {no_bos, no_special, ids, count}) decode->excludes(option);
  for (CLI::Option* option : {text, file, from_stdin, decode, no_bos, no_special}) {
    option->group("Input");
  }
  for (CLI::Option* option : {ids, special, count}) option->group("Output");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> tokenize(const TokenizeOptions& options) {
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  REDKNOT_RETURN_IF_ERROR(options.decode ? decode(tokenizer, options) : encode(tokenizer, options));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
