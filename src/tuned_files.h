// The choices that fastconv.tune left on disk.
#pragma once

namespace fastconv::bind {

// Reads them, the first time in a process; costs a load from memory afterwards.
void load_tuned();

}  // namespace fastconv::bind
