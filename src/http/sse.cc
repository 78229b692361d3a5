// SPDX-License-Identifier: Apache-2.0
#include "http/sse.h"

#include <utility>

#include "base/error.h"

namespace redknot::http {

Result<std::vector<SseEvent>> SseReader::put(std::string_view bytes) {
  std::vector<SseEvent> events;
  while (!bytes.empty()) {
    if (std::exchange(after_return_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (line_.size() + event_.data.size() > event_bytes_) {
      return corrupt("read events: one is larger than ", event_bytes_, " bytes");
    }
    if (end == std::string_view::npos) break;
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(events);
  }
  return events;
}

void SseReader::end_line(std::vector<SseEvent>& events) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  std::string line = std::exchange(line_, {});
  if (std::exchange(first_line_, false) && line.compare(0, 3, kByteOrderMark) == 0) {
    line.erase(0, kByteOrderMark.size());
  }
  if (!line.empty()) return take_field(line);
  SseEvent event = std::exchange(event_, {});
  if (!std::exchange(has_data_, false)) return;
  if (event.type.empty()) event.type = "message";
  events.push_back(std::move(event));
}

void SseReader::take_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (name == "event") event_.type = value;
  if (name != "data") return;  // comments, id, retry
  if (std::exchange(has_data_, true)) event_.data += '\n';
  event_.data += value;
}

}  // namespace redknot::http
