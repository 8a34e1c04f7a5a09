// How often the calling thread has asked for memory: tests hold the allocations of hot paths as counts.
#pragma once

/// Calls of malloc, calloc, realloc and aligned allocations by this thread since it began; -1 where they cannot be counted
/// (another C library, or a sanitizer that has its own).
long counter_allocations(void);
