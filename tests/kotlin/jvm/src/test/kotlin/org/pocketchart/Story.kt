package org.pocketchart

import java.io.File
import java.io.RandomAccessFile
import java.nio.file.Files
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.Dispatchers
import org.pocketchart.ffi.HubJoin

/** Runs one story of `tests/scenarios`, in a folder of its own. */
class Story(private val name: String, private val steps: List<Map<String, Any?>>) {
    private val place: File = Files.createTempDirectory("pocketchart-story").toFile()
    private val around = Surroundings(place)
    private val scope = CoroutineScope(Dispatchers.Default)
    private val devices = mutableMapOf<String, Device>()
    private val saved = mutableMapOf(
        "place" to place.path, "passphrase" to Surroundings.PASSPHRASE, "other" to Surroundings.OTHER,
    )

    fun run() {
        try {
            runBlocking { steps.forEachIndexed { number, step -> step(number + 1, step) } }
        } finally {
            scope.cancel()
            devices.values.forEach(Device::close)
            around.close()
        }
    }

    private suspend fun step(number: Int, step: Map<String, Any?>) {
        val what = step["do"] as String
        val known = setOf("do", "on", "with", "save", "expect", "error", "until")
        check(known.containsAll(step.keys)) { "step $number ($what) says ${step.keys - known}" }
        val until = TimeSource.Monotonic.markNow() + if (step["until"] == true) 20.seconds else 0.seconds
        while (true) {
            val wrong = attempt(what, step) ?: return
            if (until.hasPassedNow()) throw AssertionError("'$name', step $number ($what): $wrong")
            delay(50.milliseconds)
        }
    }

    /** What is wrong with the outcome; `null`: nothing. */
    private suspend fun attempt(what: String, step: Map<String, Any?>): String? {
        @Suppress("UNCHECKED_CAST")
        val with = With(filled(step["with"] ?: emptyMap<String, Any?>()) as Map<String, Any?>)
        val error = step["error"]
        val answer = try {
            answer(done(what, step["on"] as String? ?: "phone", with))
        } catch (failed: VaultException) {
            return if (failed.code == error) null else "expected ${error ?: "no error"}, failed with: ${failed.message}"
        }
        if (error != null) return "expected $error, was answered: $answer"
        for ((name, path) in parts(step["save"])) saved[name] = part(answer, path as String).toString()
        return parts(step["expect"]).firstNotNullOfOrNull { (path, expected) ->
            mismatch(filled(expected), part(answer, path))?.let { "at '$path' $it in $answer" }
        }
    }

    @Suppress("UNCHECKED_CAST")
    private fun parts(of: Any?) = (of as Map<String, Any?>?).orEmpty()

    /** With `${name}` filled in, everywhere. */
    private fun filled(value: Any?): Any? = when (value) {
        is String -> NAME.replace(value) { saved[it.groupValues[1]] ?: error("nothing was saved as ${it.value}") }
        is List<*> -> value.map(::filled)
        is Map<*, *> -> value.entries.associate { filled(it.key) to filled(it.value) }
        else -> value
    }

    private fun device(name: String) = devices.getOrPut(name) { Device(File(place, "device-$name"), scope) }

    private suspend fun done(what: String, on: String, with: With): Any? = when (what) {
        "hub" -> around.startHub().also(saved::putAll)
        "stopHub" -> around.stopHub()
        "cli" -> around.cli(with.text("home"), with.list("args").map { it as String }).also {
            val wanted = with.all["code"] ?: 0L
            check(it["code"] == wanted) { "exit code ${it["code"]}, not $wanted: $it" }
        }
        "file" -> File(place, with.text("name")).apply { writeText(with["text"] ?: with.json) }.path
        "flip" -> flip(File(device(on).home, with.text("file")), with.all["at"] as Long)
        "joined" -> join(device(on).session, with.text("patient"))
        else -> device(on).doing(what, with)
    }

    private fun flip(file: File, at: Long) = RandomAccessFile(file, "rw").use {
        val place = if (at < 0) it.length() + at else at
        it.seek(place)
        val byte = it.read()
        it.seek(place)
        it.write(byte xor 1)
    }

    private suspend fun join(session: Session, patient: String) {
        val made = around.ok("hub", listOf("--json", "hub", "enrol", "--device", "phone", "--patient", patient))
        val code = part(made["json"], "code") as String
        val waiting = session.joinHub(code) as HubJoin.Waiting
        around.ok("hub", listOf("hub", "approve", waiting.fingerprint))
        check(session.joinHub(code) is HubJoin.Joined) { "the hub approved it, and it does not join" }
    }

    private companion object {
        val NAME = Regex("""\$\{(\w+)}""")
    }
}
