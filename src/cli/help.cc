// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <sstream>
#include <string_view>
#include <vector>

namespace redknot::cli {
namespace {

constexpr std::size_t kColumns = 80;

std::string wrapped(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string out, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kColumns) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + std::string(indent, ' ') + line + "\n";
}

// "  -c, --ctx-size TOKENS"
std::string heading(const CLI::Option& option) {
  std::string names;
  const auto add = [&names](const std::string& name) {
    names += (names.empty() ? "" : ", ") + name;
  };
  if (!option.get_positional()) {
    for (const std::string& name : option.get_snames()) add("-" + name);
  } else {
    add(option.get_name(/*positional=*/true));
    for (const std::string& name : option.get_snames()) add("-" + name);
  }
  for (const std::string& name : option.get_lnames()) add("--" + name);
  const bool takes_value = option.get_items_expected_max() > 0;
  return "  " + names + (takes_value ? " " + option.get_type_name() : "") + "\n";
}

std::string options_of(const CLI::App& app, const std::string& group) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != group) continue;
    std::string text = option->get_description();
    const std::string standard = option->get_default_str();
    if (!standard.empty()) text += " Default: " + standard + ".";
    out += heading(*option) + wrapped(text, 6);
  }
  return out;
}

std::string verbs_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* verb : app.get_subcommands({})) {
    const std::string text = verb->get_description();
    out += "  " + verb->get_name() + std::string(12 - verb->get_name().size(), ' ') +
           text.substr(0, text.find('\n')) + "\n";
  }
  return out;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string /*name*/,
                                     CLI::AppFormatMode /*mode*/) const {
  std::string out = app->get_description() + "\n";
  const std::string verbs = verbs_of(*app);
  if (!verbs.empty()) out += "\nVerbs:\n" + verbs;
  for (const std::string& group : app->get_groups()) {
    if (group.empty()) continue;
    const std::string options = options_of(*app, group);
    if (!options.empty()) out.append("\n").append(group).append(":\n").append(options);
  }
  return out + "\n" + app->get_footer();
}

}  // namespace redknot::cli
