// What Java cannot do about its own process, for org.pocketbench.host.
#include <jni.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#define METHOD(type, name) extern "C" JNIEXPORT type JNICALL Java_org_pocketbench_host_Native_##name

METHOD(void, trim)(JNIEnv*, jclass) { malloc_trim(0); }

// Whoever prints from here on prints to the log; the descriptor that was standard output.
METHOD(jint, takeStandardOutput)(JNIEnv*, jclass) {
  int taken = dup(1);
  dup2(2, 1);
  return taken;
}

// All of it; false when nobody reads any more.
METHOD(jboolean, write)(JNIEnv* env, jclass, jint descriptor, jbyteArray bytes) {
  std::vector<jbyte> data(env->GetArrayLength(bytes));
  env->GetByteArrayRegion(bytes, 0, data.size(), data.data());
  for (size_t done = 0; done < data.size();) {
    ssize_t count = write(descriptor, data.data() + done, data.size() - done);
    if (count < 0 && errno != EINTR) return false;
    done += count > 0 ? count : 0;
  }
  return true;
}

// Ends at once: unloading the runtimes would take time, and one that crashes in it would void the answer.
METHOD(void, exit)(JNIEnv*, jclass, jint code) { _exit(code); }
