// The core on this machine's JVM, with the runtimes of the PyPI wheels behind JNI; its shims are built by ci/jvm.py.
plugins {
    `java-library`
}

tasks.withType<JavaCompile>().configureEach {
    options.release = 8
}

dependencies {
    implementation(project(":core"))
}
