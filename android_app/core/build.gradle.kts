plugins {
    `java-library`
}

// Not source and target alone: against the classes of a newer JDK, ByteBuffer.clear() becomes a method that Android has
// since version 10 only.
tasks.withType<JavaCompile>().configureEach {
    options.release = 8
}

dependencies {
    testImplementation(libs.junit)
}

tasks.test {
    systemProperty("pocketbench.fixtures", rootDir.resolve("../tests/data/wire").path)
}
