package org.pocketchart

import com.google.gson.JsonParser
import java.io.File
import kotlin.test.assertTrue
import org.junit.jupiter.api.DynamicContainer
import org.junit.jupiter.api.DynamicContainer.dynamicContainer
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory

/** The stories that Kotlin and Swift have in common. */
class ScenariosTest {
    @TestFactory
    fun stories(): List<DynamicContainer> {
        val files = File(System.getProperty("scenarios")).listFiles { file -> file.extension == "json" }
            .orEmpty().sorted()
        assertTrue(files.isNotEmpty(), "no stories found")
        return files.map { file ->
            @Suppress("UNCHECKED_CAST")
            val stories = fromJson(JsonParser.parseString(file.readText())) as List<Map<String, Any?>>
            dynamicContainer(
                file.nameWithoutExtension,
                stories.map { story ->
                    val name = story["name"] as String
                    @Suppress("UNCHECKED_CAST")
                    dynamicTest(name) { Story(name, story["steps"] as List<Map<String, Any?>>).run() }
                },
            )
        }
    }
}
