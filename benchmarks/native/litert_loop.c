// A loop in C over the C API that libLiteRt.so exports; one build with one input and one output at a time.
// The wheel brings no headers: what is used of the API is declared here.
#include "loop.h"

typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef const struct LiteRtTensorBufferRequirementsT* LiteRtRequirements;
typedef struct {
  _Alignas(16) unsigned char opaque[1024];  // larger than the real one, and only passed through
} LiteRtRankedTensorType;

enum { kAcceleratorCpu = 1, kLockRead = 0, kLockWrite = 1 };

int LiteRtCreateEnvironment(int, const void*, LiteRtEnvironment*);
int LiteRtCreateModelFromFile(LiteRtEnvironment, const char*, LiteRtModel*);
int LiteRtCreateOptions(LiteRtOptions*);
int LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
int LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel*);
int LiteRtGetModelSignature(LiteRtModel, size_t, LiteRtSignature*);
int LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t, LiteRtTensor*);
int LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t, LiteRtTensor*);
int LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
int LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, size_t, size_t, LiteRtRequirements*);
int LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, size_t, size_t, LiteRtRequirements*);
int LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment, const LiteRtRankedTensorType*,
                                                    LiteRtRequirements, LiteRtTensorBuffer*);
int LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, size_t*);
int LiteRtLockTensorBuffer(LiteRtTensorBuffer, void**, int);
int LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
int LiteRtRunCompiledModel(LiteRtCompiledModel, size_t, size_t, LiteRtTensorBuffer*, size_t, LiteRtTensorBuffer*);

typedef struct {
  LiteRtCompiledModel model;
  LiteRtTensorBuffer input, output;
  size_t input_bytes, output_bytes;
  const unsigned char* data;  // `count` inputs, one after the other
  int count;
} Loop;

static int create_buffer(Loop* loop, LiteRtEnvironment environment, LiteRtSignature signature, int is_input) {
  LiteRtTensor tensor;
  LiteRtRankedTensorType type;
  LiteRtRequirements needs;
  LiteRtTensorBuffer* buffer = is_input ? &loop->input : &loop->output;
  int status = is_input ? LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor)
                        : LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor);
  if (status || (status = LiteRtGetRankedTensorType(tensor, &type))) return status;
  status = is_input ? LiteRtGetCompiledModelInputBufferRequirements(loop->model, 0, 0, &needs)
                    : LiteRtGetCompiledModelOutputBufferRequirements(loop->model, 0, 0, &needs);
  if (status || (status = LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, buffer)))
    return status;
  return LiteRtGetTensorBufferPackedSize(*buffer, is_input ? &loop->input_bytes : &loop->output_bytes);
}

static int feed(void* state, int sample) {
  Loop* loop = state;
  void* place;
  int status = LiteRtLockTensorBuffer(loop->input, &place, kLockWrite);
  if (status) return status;
  memcpy(place, loop->data + (sample % loop->count) * loop->input_bytes, loop->input_bytes);
  return LiteRtUnlockTensorBuffer(loop->input);
}

static int call(void* state) {
  Loop* loop = state;
  return LiteRtRunCompiledModel(loop->model, 0, 1, &loop->input, 1, &loop->output);
}

// A loaded build, NULL when it was refused. data: `count` inputs, which must outlive it. Lives as long as the process.
void* loop_open(const char* path, const void* data, int count) {
  Loop* loop = calloc(1, sizeof *loop);
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtSignature signature;
  loop->data = data;
  loop->count = count;
  if (LiteRtCreateEnvironment(0, 0, &environment) || LiteRtCreateModelFromFile(environment, path, &model) ||
      LiteRtCreateOptions(&options) || LiteRtSetOptionsHardwareAccelerators(options, kAcceleratorCpu) ||
      LiteRtCreateCompiledModel(environment, model, options, &loop->model) ||
      LiteRtGetModelSignature(model, 0, &signature) || create_buffer(loop, environment, signature, 1) ||
      create_buffer(loop, environment, signature, 0))
    return 0;
  return loop;
}

int loop_run(void* loop, int samples, int calls, int64_t* wall, int64_t* wait) {
  return timed_loop(samples, calls, feed, call, loop, wall, wait);
}

// The output for the first input, as many bytes as fit; returns its size in bytes, -1 when the call failed.
long loop_output(void* state, void* target, size_t room) {
  Loop* loop = state;
  void* place;
  if (feed(loop, 0) || call(loop) || LiteRtLockTensorBuffer(loop->output, &place, kLockRead)) return -1;
  memcpy(target, place, room < loop->output_bytes ? room : loop->output_bytes);
  return LiteRtUnlockTensorBuffer(loop->output) ? -1 : (long)loop->output_bytes;
}
