// Work of a known length: a chain of integer steps, each of which needs the one before. Its time is the processor's.
#include <stdint.h>

uint64_t spin(uint64_t steps) {
  uint64_t value = 1;
  for (uint64_t i = 0; i < steps; i++) {
    value = value * 6364136223846793005ULL + 1442695040888963407ULL;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}
