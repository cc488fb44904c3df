// Says which check was running when a kernel touched an unmapped page.
#pragma once

#include <string>

namespace fastconv::runner {

void report_crashes();
void now_running(const std::string& what);

}  // namespace fastconv::runner
