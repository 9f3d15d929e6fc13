plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.pocketbench.app"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.pocketbench.app"
        minSdk = 26
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    buildFeatures {
        buildConfig = true
    }

    // One runtime per app: a clean memory baseline, and no two copies of a native library.
    flavorDimensions += "runtime"
    productFlavors {
        create("litert") {
            dimension = "runtime"
            applicationIdSuffix = ".litert"
            buildConfigField("String", "RUNTIME_VERSION", "\"${libs.versions.litert.get()}\"")
        }
        // One package, whichever backend is in it: the one that is installed is the one that `executorch_app` names.
        for (variant in listOf("executorch", "executorchVulkan", "executorchQnn")) {
            create(variant) {
                dimension = "runtime"
                applicationIdSuffix = ".executorch"
                versionNameSuffix = variant.removePrefix("executorch").lowercase().let { if (it.isEmpty()) it else "-$it" }
                buildConfigField("String", "RUNTIME_VERSION", "\"${libs.versions.executorch.get()}\"")
            }
        }
    }

    sourceSets {
        for (variant in listOf("executorchVulkan", "executorchQnn")) {
            getByName(variant).java.srcDir("src/executorch/java")
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = false
        }
        // What is measured with: not debuggable, so that the code is compiled as in a shipped app.
        create("benchmark") {
            initWith(getByName("release"))
            signingConfig = signingConfigs.getByName("debug")
            matchingFallbacks += "release"
        }
    }

    packaging {
        // QNN loads its libraries by path, so they have to be files.
        jniLibs.useLegacyPackaging = true
        jniLibs.pickFirsts += "**/libc++_shared.so"
    }

    lint {
        abortOnError = true
    }
}

// What androidx brings along beside code: work of its own some seconds after each start, and an exported receiver.
configurations.configureEach {
    exclude(group = "androidx.profileinstaller")
    exclude(group = "androidx.startup")
}

dependencies {
    implementation(project(":core"))
    "litertImplementation"(libs.litert)
    "executorchImplementation"(libs.executorch)
    "executorchVulkanImplementation"(libs.executorch.vulkan)
    "executorchQnnImplementation"(libs.executorch.qnn)
    "executorchQnnImplementation"(libs.qnn.runtime)
    for (variant in listOf("executorch", "executorchVulkan", "executorchQnn")) {
        "${variant}Implementation"(libs.fbjni)
        "${variant}Implementation"(libs.soloader)
    }
}
