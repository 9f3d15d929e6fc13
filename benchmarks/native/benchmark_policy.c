// What TFLite's benchmark_model does with its defaults, but on one thread: calls for half a second, then at least fifty
// and for at least a second; the mean on the wall. benchmark_policy MODEL, with random data.
#include <stdio.h>

#include "litert_loop.c"

static double mean_us(Loop* loop, int least, int64_t least_ns) {
  int64_t start = now_ns(), sum = 0;
  int runs = 0;
  while (runs < least || now_ns() - start < least_ns) {
    int64_t before = now_ns();
    if (call(loop)) exit(1);
    sum += now_ns() - before;
    runs++;
  }
  return sum / 1e3 / runs;
}

int main(int count, char** arguments) {
  size_t room = 1 << 24;
  float* data = malloc(room);
  for (size_t i = 0; i < room / sizeof *data; i++) data[i] = rand() / (float)RAND_MAX;
  Loop* loop = count == 2 ? loop_open(arguments[1], data, 1) : 0;
  if (!loop || feed(loop, 0)) return 1;
  mean_us(loop, 1, 500000000);
  printf("%.2f\n", mean_us(loop, 50, 1000000000));
  return 0;
}
