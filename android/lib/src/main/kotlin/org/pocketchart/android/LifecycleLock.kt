package org.pocketchart.android

import android.app.Activity
import android.app.Application
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import org.pocketchart.Lockable

/**
 * Tells the vault when the app goes out of sight and when it comes back, so that it locks by itself.
 *
 * The vault compares its own deadline at every call, on a clock that runs while the phone sleeps. The timer here only
 * locks sooner, and may come late or never in a frozen process.
 *
 * @param open the vault that is open now, if one is.
 * @param after when to look for the deadline once the app is out of sight; the vault's own time is 30 s or less.
 */
public class LifecycleLock(
    private val open: () -> Lockable?,
    private val after: Duration = 31.seconds,
) : Application.ActivityLifecycleCallbacks {
    private val timer = Handler(Looper.getMainLooper())
    private val look = Runnable { open()?.isLocked() }
    private var visible = 0

    /** Starts watching every activity of [application]. Call it once, in `Application.onCreate`. */
    public fun watch(application: Application) {
        application.registerActivityLifecycleCallbacks(this)
    }

    override fun onActivityStarted(activity: Activity) {
        visible += 1
        if (visible == 1) {
            timer.removeCallbacks(look)
            open()?.foreground()
        }
    }

    override fun onActivityStopped(activity: Activity) {
        visible = (visible - 1).coerceAtLeast(0)
        // A screen that is turned stops and starts again at once.
        if (visible == 0 && !activity.isChangingConfigurations) {
            open()?.background()
            timer.postDelayed(look, after.inWholeMilliseconds)
        }
    }

    override fun onActivityCreated(activity: Activity, state: Bundle?) = Unit

    override fun onActivityResumed(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit
}
