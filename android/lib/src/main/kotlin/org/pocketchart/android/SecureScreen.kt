package org.pocketchart.android

import android.annotation.TargetApi
import android.app.Activity
import android.app.Application
import android.os.Build
import android.os.Bundle
import android.view.WindowManager

/**
 * Keeps this activity's content out of screenshots, recordings, casts and the list of recent apps. Call it in
 * `onCreate`, before the content is set. Dialogs are windows of their own: give each the same flag.
 */
public fun Activity.hideFromScreenshots() {
    window.setFlags(WindowManager.LayoutParams.FLAG_SECURE, WindowManager.LayoutParams.FLAG_SECURE)
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) hideFromRecents()
}

@TargetApi(Build.VERSION_CODES.TIRAMISU)
private fun Activity.hideFromRecents() {
    setRecentsScreenshotEnabled(false)
}

/** [hideFromScreenshots] for every activity of an app that shows records on all of its screens. */
public object SecureScreens : Application.ActivityLifecycleCallbacks {
    /** Call it once, in `Application.onCreate`. */
    public fun watch(application: Application) {
        application.registerActivityLifecycleCallbacks(this)
    }

    override fun onActivityCreated(activity: Activity, state: Bundle?) {
        activity.hideFromScreenshots()
    }

    override fun onActivityStarted(activity: Activity): Unit = Unit

    override fun onActivityResumed(activity: Activity): Unit = Unit

    override fun onActivityPaused(activity: Activity): Unit = Unit

    override fun onActivityStopped(activity: Activity): Unit = Unit

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle): Unit = Unit

    override fun onActivityDestroyed(activity: Activity): Unit = Unit
}
