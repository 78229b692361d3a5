// SPDX-License-Identifier: Apache-2.0
// The page at `/`, as it was built from web/ into this program (cmake/page.cmake). Constants; any
// thread.
#pragma once

#include <span>
#include <string_view>

namespace redknot::server {

struct WebFile {
  std::string_view path{};  // "/" or "/page.js"; the page asks for them relative to its own place
  std::string_view content_type{};
  std::string_view bytes{};
};

// Empty in a program that was built without the page (REDKNOT_PAGE).
std::span<const WebFile> web_files();

// The file at this path; nullptr if there is none.
const WebFile* find_web_file(std::string_view path);

// What the page needs, as the value of Content-Security-Policy: its own files and its own server.
inline constexpr std::string_view kWebPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'";

}  // namespace redknot::server
