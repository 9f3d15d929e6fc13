// What both shims need of JNI: errors as Java exceptions, texts, arrays.
#pragma once
#include <jni.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

inline std::string text_of(JNIEnv* env, jstring text) {
  const char* chars = env->GetStringUTFChars(text, nullptr);
  std::string found(chars);
  env->ReleaseStringUTFChars(text, chars);
  return found;
}

// Runs `work`; what it throws becomes a RuntimeException of Java and `otherwise` is returned.
template <typename T, typename Work>
T guarded(JNIEnv* env, T otherwise, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    env->ThrowNew(env->FindClass("java/lang/RuntimeException"), error.what());
    return otherwise;
  }
}

// The bytes of a direct buffer; it must be of exactly this size.
inline void* direct(JNIEnv* env, jobject buffer, size_t bytes, const std::string& what) {
  auto capacity = static_cast<size_t>(env->GetDirectBufferCapacity(buffer));
  if (capacity != bytes) {
    throw std::runtime_error(what + " is " + std::to_string(bytes) + " bytes, not " + std::to_string(capacity));
  }
  return env->GetDirectBufferAddress(buffer);
}

inline std::vector<jlong> longs_of(JNIEnv* env, jlongArray array) {
  std::vector<jlong> found(env->GetArrayLength(array));
  env->GetLongArrayRegion(array, 0, found.size(), found.data());
  return found;
}

template <typename Numbers>
jlongArray array_of(JNIEnv* env, const Numbers& numbers) {
  std::vector<jlong> wide(numbers.begin(), numbers.end());
  jlongArray found = env->NewLongArray(wide.size());
  env->SetLongArrayRegion(found, 0, wide.size(), wide.data());
  return found;
}
