// What Java cannot do about its own process, for org.pocketbench.host.
#include <jni.h>
#include <malloc.h>
#include <unistd.h>

#define METHOD(type, name) extern "C" JNIEXPORT type JNICALL Java_org_pocketbench_host_Native_##name

METHOD(void, trim)(JNIEnv*, jclass) { malloc_trim(0); }

// Whoever prints from here on prints to the log; the descriptor that was standard output.
METHOD(jint, takeStandardOutput)(JNIEnv*, jclass) {
  int taken = dup(1);
  dup2(2, 1);
  return taken;
}

// Ends at once: unloading the runtimes would take time, and one that crashes in it would void the answer.
METHOD(void, exit)(JNIEnv*, jclass, jint code) { _exit(code); }
