// The bare loop that the runner's own is held against: feed, clock, call, clock, and nothing else between the clocks.
#pragma once
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Nanoseconds that this thread has stood in the run queue so far; 0 where the system does not tell.
static inline int64_t waited_ns(int schedstat) {
  char text[96];
  ssize_t length = pread(schedstat, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = 0;
  char* second = strchr(text, ' ');
  return second ? atoll(second) : 0;
}

// `samples` samples of `calls` calls each; wall and wait are what each sample took, per sample. Returns 0, or what
// feed or call returned when it was not 0.
static inline int timed_loop(int samples, int calls, int (*feed)(void*, int), int (*call)(void*), void* state,
                             int64_t* wall, int64_t* wait) {
  int schedstat = open("/proc/thread-self/schedstat", O_RDONLY), status = 0;
  for (int sample = 0; sample < samples && status == 0; sample++) {
    if ((status = feed(state, sample)) != 0) break;
    int64_t before = waited_ns(schedstat);
    int64_t start = now_ns();
    for (int i = 0; i < calls; i++) status |= call(state);
    int64_t end = now_ns();
    int64_t waited = waited_ns(schedstat) - before;
    wall[sample] = end - start;
    wait[sample] = waited < end - start ? waited : end - start;
  }
  if (schedstat >= 0) close(schedstat);
  return status;
}
