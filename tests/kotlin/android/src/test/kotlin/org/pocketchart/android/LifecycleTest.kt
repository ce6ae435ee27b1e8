package org.pocketchart.android

import android.app.Activity
import android.os.Looper
import android.view.WindowManager
import java.time.Duration
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.pocketchart.Lockable
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** What the vault is told as activities come and go. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [28, 35])
class LifecycleTest {
    private val told = mutableListOf<String>()
    private var open: Lockable? = object : Lockable {
        override fun background() { told += "background" }
        override fun foreground() { told += "foreground" }
        override fun isLocked(): Boolean = false.also { told += "looked" }
    }
    private val app get() = RuntimeEnvironment.getApplication()

    private fun activity() = Robolectric.buildActivity(Activity::class.java)

    private fun passes(seconds: Long) = shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(seconds))

    @Test
    fun outOfSightAndBack() {
        LifecycleLock({ open }).watch(app)
        val one = activity().setup()
        assertEquals(listOf("foreground"), told)
        one.pause().stop()
        assertEquals(listOf("foreground", "background"), told)
        one.restart().start().resume()
        assertEquals(listOf("foreground", "background", "foreground"), told)
        passes(60)
        assertEquals("the timer was taken back", 3, told.size)
    }

    @Test
    fun anotherActivityOfTheAppIsNotTheBackground() {
        LifecycleLock({ open }).watch(app)
        val one = activity().setup()
        val two = activity().setup()
        one.pause().stop()
        assertEquals(listOf("foreground"), told)
        two.pause().stop()
        assertEquals(listOf("foreground", "background"), told)
    }

    @Test
    fun afterHalfAMinuteTheDeadlineIsLookedAt() {
        LifecycleLock({ open }).watch(app)
        activity().setup().pause().stop()
        passes(30)
        assertEquals(listOf("foreground", "background"), told)
        passes(2)
        assertEquals(listOf("foreground", "background", "looked"), told)
    }

    @Test
    fun turningTheScreenIsNotTheBackground() {
        LifecycleLock({ open }).watch(app)
        activity().setup().recreate()
        assertEquals("only ever to the front", setOf("foreground"), told.toSet())
    }

    @Test
    fun withoutAVaultNothingHappens() {
        open = null
        LifecycleLock({ open }).watch(app)
        activity().setup().pause().stop()
        passes(60)
        assertEquals(emptyList<String>(), told)
    }

    @Test
    fun screensAreSecure() {
        val before = activity().setup().get()
        assertEquals(0, before.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE)
        SecureScreens.watch(app)
        val after = activity().setup().get()
        assertNotEquals(0, after.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE)
    }
}
