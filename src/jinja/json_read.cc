// SPDX-License-Identifier: Apache-2.0
#include "jinja/json_read.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace redknot::jinja {
namespace {

// What nlohmann's reader calls, in the order of the text; false stops it.
class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(Heap& heap) : heap_(heap) {}

  bool null() override { return put(Value(None{})); }
  bool boolean(bool truth) override { return put(Value(truth)); }
  bool number_integer(number_integer_t number) override { return put(Value(std::int64_t{number})); }
  bool number_unsigned(number_unsigned_t number) override {
    if (number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return put(Value(static_cast<double>(number)));
    }
    return put(Value(static_cast<std::int64_t>(number)));
  }
  bool number_float(number_float_t number, const string_t&) override { return put(Value(number)); }
  bool string(string_t& text) override { return put(make_text(heap_, std::move(text))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(string_t& text) override {
    auto made = make_text(heap_, std::move(text));
    if (!made.ok()) return fail(made.error());
    levels_.back().key = *std::move(made);
    return true;
  }
  bool end_object() override {
    DictBuilder dict = std::move(levels_.back().dict);
    levels_.pop_back();
    return put(std::move(dict).finish(heap_));
  }
  bool end_array() override {
    std::vector<Value> items = std::move(levels_.back().items);
    levels_.pop_back();
    return put(make_list(heap_, std::move(items)));
  }
  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(invalid("not JSON at byte ", at));
  }

  Result<Value> take() && {
    if (error_) return *std::move(error_);
    return std::move(root_);
  }

 private:
  struct Level {
    bool is_object = false;
    std::vector<Value> items{};
    DictBuilder dict{};
    Value key{};
  };

  bool fail(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
  }
  bool open(bool is_object) {
    levels_.push_back({.is_object = is_object});
    const Status fits = heap_.depth_fits(static_cast<int>(levels_.size()));
    return fits.ok() || fail(fits.error());
  }
  bool put(Result<Value> value) {
    if (!value.ok()) return fail(value.error());
    if (levels_.empty()) {
      root_ = *std::move(value);
      return true;
    }
    Level& level = levels_.back();
    if (!level.is_object) {
      const Status fits = heap_.items_fit(level.items.size() + 1);
      if (!fits.ok()) return fail(fits.error());
      level.items.push_back(*std::move(value));
      return true;
    }
    const Status status = level.dict.set(heap_, std::move(level.key), *std::move(value));
    return status.ok() || fail(status.error());
  }

  Heap& heap_;
  std::vector<Level> levels_;
  Value root_;
  std::optional<Error> error_;
};

}  // namespace

Result<Value> read_json(Heap& heap, std::string_view text) {
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(text.size()));
  Reader reader(heap);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) {
    auto result = std::move(reader).take();
    if (!result.ok()) return result;
    return invalid("not JSON");
  }
  return std::move(reader).take();
}

}  // namespace redknot::jinja
