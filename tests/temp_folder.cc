// SPDX-License-Identifier: Apache-2.0
#include "tests/temp_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <system_error>

namespace redknot::tests {

TempFolder::TempFolder() {
  std::string pattern = testing::TempDir() + "redknot-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no folder " << pattern;
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace redknot::tests
