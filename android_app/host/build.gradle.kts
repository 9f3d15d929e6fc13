// The core on this machine's JVM, with the runtimes of the PyPI wheels behind JNI; its shims are built by ci/jvm.py.
plugins {
    `java-library`
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

dependencies {
    implementation(project(":core"))
}
