// A loop in C++ over the libraries of the executorch wheel; one build with one input at a time.
#include <executorch/extension/data_loader/file_data_loader.h>
#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/runtime/executor/memory_manager.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/runtime.h>

#include <memory>
#include <optional>
#include <vector>

#include "loop.h"

using executorch::aten::DimOrderType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;
using executorch::aten::TensorImpl;
using executorch::extension::FileDataLoader;
using executorch::extension::MallocMemoryAllocator;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::HierarchicalAllocator;
using executorch::runtime::MemoryManager;
using executorch::runtime::Method;
using executorch::runtime::Program;
using executorch::runtime::Span;

namespace {

struct Loop {
  std::optional<FileDataLoader> loader;
  std::optional<Program> program;
  std::vector<std::unique_ptr<uint8_t[]>> arenas;
  std::vector<Span<uint8_t>> spans;
  std::optional<HierarchicalAllocator> arena;
  MallocMemoryAllocator method_memory, temporary_memory;
  std::optional<MemoryManager> memory;
  std::optional<Method> method;
  std::vector<SizesType> sizes;
  std::vector<DimOrderType> order;
  std::vector<std::unique_ptr<TensorImpl>> inputs;

  bool open(const char* path, uint8_t* data, int count) {
    auto opened = FileDataLoader::from(path);
    if (!opened.ok()) return false;
    loader.emplace(std::move(opened.get()));
    auto loaded = Program::load(&*loader);
    if (!loaded.ok()) return false;
    program.emplace(std::move(loaded.get()));
    auto meta = program->method_meta("forward");
    if (!meta.ok()) return false;
    for (size_t i = 0; i < meta->num_memory_planned_buffers(); i++) {
      size_t bytes = meta->memory_planned_buffer_size(i).get();
      arenas.emplace_back(new uint8_t[bytes]);
      spans.emplace_back(arenas.back().get(), bytes);
    }
    arena.emplace(Span<Span<uint8_t>>(spans.data(), spans.size()));
    memory.emplace(&method_memory, &*arena, &temporary_memory);
    auto made = program->load_method("forward", &*memory);
    if (!made.ok()) return false;
    method.emplace(std::move(made.get()));
    auto info = meta->input_tensor_meta(0);
    if (!info.ok()) return false;
    sizes.assign(info->sizes().begin(), info->sizes().end());
    order.assign(info->dim_order().begin(), info->dim_order().end());
    for (int i = 0; i < count; i++)
      inputs.emplace_back(new TensorImpl(info->scalar_type(), sizes.size(), sizes.data(), data + i * info->nbytes(),
                                         order.data()));
    return true;
  }
};

int feed(void* state, int sample) {
  auto* loop = static_cast<Loop*>(state);
  EValue value{Tensor(loop->inputs[sample % loop->inputs.size()].get())};
  return static_cast<int>(loop->method->set_input(value, 0));
}

int call(void* state) { return static_cast<int>(static_cast<Loop*>(state)->method->execute()); }

}  // namespace

extern "C" {

// A loaded build, NULL when it was refused. data: `count` inputs, which must outlive it. Lives as long as the process.
void* loop_open(const char* path, void* data, int count) {
  executorch::runtime::runtime_init();
  auto* loop = new Loop;
  return loop->open(path, static_cast<uint8_t*>(data), count) ? loop : nullptr;
}

int loop_run(void* loop, int samples, int calls, int64_t* wall, int64_t* wait) {
  return timed_loop(samples, calls, feed, call, loop, wall, wait);
}

// The output for the first input, as many bytes as fit; returns its size in bytes, -1 when the call failed.
long loop_output(void* state, void* target, size_t room) {
  auto* loop = static_cast<Loop*>(state);
  if (feed(loop, 0) || call(loop)) return -1;
  auto output = loop->method->get_output(0).toTensor();
  memcpy(target, output.const_data_ptr(), room < output.nbytes() ? room : output.nbytes());
  return static_cast<long>(output.nbytes());
}
}
