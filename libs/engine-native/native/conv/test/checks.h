// The count of checks of a test program, which ends with "N passed, N failed".
#pragma once

#include <cstdio>
#include <string>

namespace {

int passed = 0;
int failed = 0;

void check(bool ok, const std::string& name) {
  if (ok) {
    ++passed;
  } else {
    ++failed;
    printf("FAILED %s\n", name.c_str());
  }
}

}  // namespace
