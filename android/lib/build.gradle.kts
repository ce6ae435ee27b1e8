import org.jetbrains.kotlin.gradle.dsl.ExplicitApiMode
import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

// What the Rust half gives: the Kotlin that uniffi-bindgen writes (with `android = true`), and
// jniLibs/{arm64-v8a,x86_64}/libpocketchart.so. Neither is in the repository; the host tool in bindings/bindgen makes both.
val native = providers.gradleProperty("pocketchart.native").getOrElse("../../target/pocketchart")

android {
    namespace = "org.pocketchart.android"
    compileSdk = 35

    defaultConfig {
        minSdk = 28
        consumerProguardFiles("consumer-rules.pro")
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") }
    }

    sourceSets["main"].apply {
        kotlin.srcDirs("src/common/kotlin", "$native/kotlin")
        jniLibs.srcDirs("$native/jniLibs")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin {
    // The generated half says neither `public` nor `internal`.
    explicitApi = ExplicitApiMode.Warning
    compilerOptions { jvmTarget.set(JvmTarget.JVM_17) }
}

dependencies {
    // The classes that an app sees in this library's signatures are `api`.
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.11.0")
    implementation("net.java.dev.jna:jna:5.18.1@aar")
    // The generated half marks what newer Androids have with it.
    compileOnly("androidx.annotation:annotation:1.9.1")
}
