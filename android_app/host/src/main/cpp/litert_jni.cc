// LiteRT's compiled model on the CPU, out of the library inside the ai-edge-litert wheel, for org.pocketbench.host.
#include <cstring>
#include <memory>

#include "jni_tools.h"
#include "litert_c.h"

namespace {

void check(LiteRtStatus status, const char* what) {
  if (status != kLiteRtStatusOk) throw std::runtime_error(std::string(what) + ": status " + std::to_string(status));
}
#define CHECK(call) check(call, #call)

using Getter = LiteRtStatus (*)(LiteRtSubgraph, LiteRtParamIndex, LiteRtTensor*);
using SignatureGetter = LiteRtStatus (*)(LiteRtSignature, LiteRtParamIndex, LiteRtTensor*);

// A signature may have another order than the graph, and the graph's is the one that everybody else uses.
std::vector<size_t> places(LiteRtSignature signature, LiteRtSubgraph graph, size_t count, SignatureGetter in_signature,
                           Getter in_graph, std::vector<LiteRtTensor>* tensors) {
  std::vector<size_t> found(count, count);
  for (size_t i = 0; i < count; i++) {
    LiteRtTensor wanted, other;
    CHECK(in_graph(graph, i, &wanted));
    tensors->push_back(wanted);
    for (size_t j = 0; j < count; j++) {
      CHECK(in_signature(signature, j, &other));
      if (other == wanted) found[i] = j;
    }
    if (found[i] == count) throw std::runtime_error("the signature does not have all of the graph's tensors");
  }
  return found;
}

struct Model {
  LiteRtEnvironment environment{};
  LiteRtModel model{};
  LiteRtOptions options{};
  LiteRtCompiledModel compiled{};
  std::vector<LiteRtTensor> input_tensors, output_tensors;  // in the graph's order
  std::vector<size_t> input_places, output_places;          // of them in the signature
  std::vector<LiteRtTensorBuffer> inputs, outputs;          // in the signature's order
  std::vector<std::vector<int32_t>> output_shapes;          // in the graph's order

  ~Model() {
    for (auto buffer : inputs) LiteRtDestroyTensorBuffer(buffer);
    for (auto buffer : outputs) LiteRtDestroyTensorBuffer(buffer);
    if (compiled) LiteRtDestroyCompiledModel(compiled);
    if (options) LiteRtDestroyOptions(options);
    if (model) LiteRtDestroyModel(model);
    if (environment) LiteRtDestroyEnvironment(environment);
  }

  void open(const std::string& path, int threads) {
    CHECK(LiteRtCreateEnvironment(0, nullptr, &environment));
    CHECK(LiteRtCreateModelFromFile(environment, path.c_str(), &model));
    CHECK(LiteRtCreateOptions(&options));
    CHECK(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu));
    LiteRtOpaqueOptions cpu;
    std::string said = "num_threads = " + std::to_string(threads) + "\n";  // the options of XNNPACK are TOML
    CHECK(LiteRtCreateOpaqueOptions("xnnpack", strdup(said.c_str()), free, &cpu));
    CHECK(LiteRtAddOpaqueOptions(options, cpu));
    CHECK(LiteRtCreateCompiledModel(environment, model, options, &compiled));
    LiteRtSignature signature;
    LiteRtSubgraph graph;
    LiteRtParamIndex count;
    CHECK(LiteRtGetModelSignature(model, 0, &signature));
    CHECK(LiteRtGetSignatureSubgraph(signature, &graph));
    CHECK(LiteRtGetNumSignatureInputs(signature, &count));
    input_places = places(signature, graph, count, LiteRtGetSignatureInputTensorByIndex, LiteRtGetSubgraphInput,
                          &input_tensors);
    CHECK(LiteRtGetNumSignatureOutputs(signature, &count));
    output_places = places(signature, graph, count, LiteRtGetSignatureOutputTensorByIndex, LiteRtGetSubgraphOutput,
                           &output_tensors);
  }

  void resize(size_t input, const std::vector<jlong>& shape) {
    std::vector<int> dimensions(shape.begin(), shape.end());
    size_t place = input_places.at(input);
    CHECK(LiteRtCompiledModelResizeInputTensorNonStrict(compiled, 0, place, dimensions.data(), dimensions.size()));
  }

  void allocate() {
    size_t many = output_tensors.size();
    std::vector<LiteRtLayout> layouts(many);
    CHECK(LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, many, layouts.data(), true));
    inputs.resize(input_tensors.size());
    for (size_t i = 0; i < inputs.size(); i++) {
      size_t place = input_places[i];
      LiteRtRankedTensorType type;
      LiteRtTensorBufferRequirements wanted;
      CHECK(LiteRtGetRankedTensorType(input_tensors[i], &type));
      CHECK(LiteRtGetCompiledModelInputTensorLayout(compiled, 0, place, &type.layout));
      CHECK(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, place, &wanted));
      CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, wanted, &inputs[place]));
    }
    outputs.resize(many);
    for (size_t i = 0; i < many; i++) {
      size_t place = output_places[i];
      LiteRtRankedTensorType type;
      LiteRtTensorBufferRequirements wanted;
      CHECK(LiteRtGetRankedTensorType(output_tensors[i], &type));
      type.layout = layouts[place];
      CHECK(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, place, &wanted));
      CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, wanted, &outputs[place]));
      output_shapes.emplace_back(type.layout.dimensions, type.layout.dimensions + type.layout.rank);
    }
  }
};

void copy(JNIEnv* env, LiteRtTensorBuffer buffer, jobject bytes, bool write) {
  size_t size;
  void* inside;
  CHECK(LiteRtGetTensorBufferPackedSize(buffer, &size));
  void* outside = direct(env, bytes, size, "a tensor of the build");
  CHECK(LiteRtLockTensorBuffer(buffer, &inside, write ? kLiteRtLockWrite : kLiteRtLockRead));
  std::memcpy(write ? inside : outside, write ? outside : inside, size);
  CHECK(LiteRtUnlockTensorBuffer(buffer));
}

Model* model_of(jlong handle) { return reinterpret_cast<Model*>(handle); }

}  // namespace

#define METHOD(type, name) extern "C" JNIEXPORT type JNICALL Java_org_pocketbench_host_LiteRt_##name

METHOD(void, touch)(JNIEnv*, jclass) {}

METHOD(jlong, create)(JNIEnv* env, jclass, jstring path, jint threads, jobjectArray shapes) {
  return guarded(env, jlong{0}, [&] {
    auto model = std::make_unique<Model>();
    model->open(text_of(env, path), threads);
    for (jsize i = 0; i < env->GetArrayLength(shapes); i++) {
      auto shape = static_cast<jlongArray>(env->GetObjectArrayElement(shapes, i));
      if (shape) model->resize(i, longs_of(env, shape));
    }
    model->allocate();
    return reinterpret_cast<jlong>(model.release());
  });
}

METHOD(jboolean, fully)(JNIEnv* env, jclass, jlong handle) {
  return guarded(env, jboolean{}, [&] {
    bool fully = false;
    CHECK(LiteRtCompiledModelIsFullyAccelerated(model_of(handle)->compiled, &fully));
    return jboolean(fully);
  });
}

METHOD(jlongArray, shape)(JNIEnv* env, jclass, jlong handle, jint output) {
  return guarded(env, jlongArray{}, [&] { return array_of(env, model_of(handle)->output_shapes.at(output)); });
}

METHOD(void, feed)(JNIEnv* env, jclass, jlong handle, jint input, jobject bytes) {
  Model* model = model_of(handle);
  guarded(env, 0, [&] { return copy(env, model->inputs[model->input_places[input]], bytes, true), 0; });
}

METHOD(void, run)(JNIEnv* env, jclass, jlong handle) {
  Model* m = model_of(handle);
  LiteRtStatus status =
      LiteRtRunCompiledModel(m->compiled, 0, m->inputs.size(), m->inputs.data(), m->outputs.size(), m->outputs.data());
  if (status != kLiteRtStatusOk) guarded(env, 0, [&] { return check(status, "LiteRtRunCompiledModel"), 0; });
}

METHOD(void, read)(JNIEnv* env, jclass, jlong handle, jint output, jobject bytes) {
  Model* model = model_of(handle);
  guarded(env, 0, [&] { return copy(env, model->outputs[model->output_places[output]], bytes, false), 0; });
}

METHOD(void, destroy)(JNIEnv*, jclass, jlong handle) { delete model_of(handle); }
