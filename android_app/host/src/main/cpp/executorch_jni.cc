// ExecuTorch's Module, out of the libraries and headers inside the executorch wheel, for org.pocketbench.host.
#include <dlfcn.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <cstring>
#include <memory>

#include "jni_tools.h"

using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::Method;

// The wheel ships libexecutorch_threadpool.so without this part of its header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t num_threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

void check(Error error, const char* what) {
  if (error != Error::Ok) throw std::runtime_error(std::string(what) + ": error " + std::to_string(int(error)));
}

struct Build {
  std::unique_ptr<Module> module;
  Method* method = nullptr;  // of the module: fed and run apart, as the twin in Python does it
  std::vector<std::vector<uint8_t>> data;  // what the inputs are made of
  std::vector<TensorPtr> tensors;

  explicit Build(const std::string& path) {
    module = std::make_unique<Module>(path, Module::LoadMode::Mmap);
    check(module->load_method("forward"), "load_method");
    auto loaded = module->method("forward");
    check(loaded.error(), "method");
    method = *loaded;
    auto meta = module->method_meta("forward");
    check(meta.error(), "method_meta");
    for (size_t i = 0; i < meta->num_inputs(); i++) {
      auto info = meta->input_tensor_meta(i);
      check(info.error(), "an input that is no tensor");
      data.emplace_back(info->nbytes());
      std::vector<executorch::aten::SizesType> sizes(info->sizes().begin(), info->sizes().end());
      tensors.push_back(from_blob(data.back().data(), sizes, info->scalar_type()));
    }
  }
};

Build* build_of(jlong handle) { return reinterpret_cast<Build*>(handle); }

}  // namespace

#define METHOD(type, name) extern "C" JNIEXPORT type JNICALL Java_org_pocketbench_host_ExecuTorch_##name

// Sizes the pool that all builds of this process share, before any is loaded; the threads it then has.
METHOD(jint, threads)(JNIEnv*, jclass, jint wanted) {
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool->get_thread_count() != size_t(wanted)) pool->_unsafe_reset_threadpool(wanted);
  return static_cast<jint>(executorch::extension::threadpool::get_threadpool()->get_thread_count());
}

METHOD(jlong, create)(JNIEnv* env, jclass, jstring path) {
  return guarded(env, jlong{0}, [&] { return reinterpret_cast<jlong>(new Build(text_of(env, path))); });
}

// Inputs of a build with dynamic shapes may be smaller than what its memory is planned for.
METHOD(void, feed)(JNIEnv* env, jclass, jlong handle, jint input, jobject bytes, jlongArray shape) {
  guarded(env, 0, [&] {
    Build* build = build_of(handle);
    auto& data = build->data[input];
    size_t size = env->GetDirectBufferCapacity(bytes);
    if (size > data.size()) direct(env, bytes, data.size(), "the largest input");
    auto wide = longs_of(env, shape);
    std::vector<executorch::aten::SizesType> sizes(wide.begin(), wide.end());
    std::memcpy(data.data(), env->GetDirectBufferAddress(bytes), size);
    check(executorch::extension::resize_tensor_ptr(build->tensors[input], sizes), "resize_tensor_ptr");
    check(build->method->set_input(EValue(build->tensors[input]), input), "set_input");
    return 0;
  });
}

METHOD(void, run)(JNIEnv* env, jclass, jlong handle) {
  Error error = build_of(handle)->method->execute();
  if (error != Error::Ok) guarded(env, 0, [&] { return check(error, "execute"), 0; });
}

METHOD(jlongArray, shape)(JNIEnv* env, jclass, jlong handle, jint output) {
  return guarded(env, jlongArray{}, [&] {
    const auto tensor = build_of(handle)->method->get_output(output).toTensor();
    return array_of(env, tensor.sizes());
  });
}

METHOD(void, read)(JNIEnv* env, jclass, jlong handle, jint output, jobject bytes) {
  guarded(env, 0, [&] {
    const auto tensor = build_of(handle)->method->get_output(output).toTensor();
    std::memcpy(direct(env, bytes, tensor.nbytes(), "an output"), tensor.const_data_ptr(), tensor.nbytes());
    return 0;
  });
}

METHOD(void, destroy)(JNIEnv*, jclass, jlong handle) { delete build_of(handle); }

// Kernels that the core library lacks register themselves as their library is loaded; "" or why it cannot be.
METHOD(jstring, kernels)(JNIEnv* env, jclass, jstring path) {
  void* library = dlopen(text_of(env, path).c_str(), RTLD_NOW | RTLD_GLOBAL);
  return env->NewStringUTF(library ? "" : dlerror());
}
