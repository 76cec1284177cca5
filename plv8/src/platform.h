// platform.h: what V8 asks of its surroundings, as a backend can give it.
#pragma once
#include "plv8.h"

namespace plv8 {

// One thread; tasks that V8 would like to run some other time are dropped (they tidy the heap or run finalizers, neither
// of which V8 relies on). Pages are recorded, so that those of an isolate that was given up can be taken back.
v8::Platform *platform_start();
// Takes back the memory of everything recorded that is not read-only, which all isolates share.
void platform_abandon_pages();

// Array buffers, counted against plv8.memory_limit. NULL when there is no room.
void *buffer_allocate(size_t length, bool zeroed);
void buffer_free(void *data, size_t length);
void buffer_free_all();
v8::ArrayBuffer::Allocator *buffer_allocator();

}  // namespace plv8
