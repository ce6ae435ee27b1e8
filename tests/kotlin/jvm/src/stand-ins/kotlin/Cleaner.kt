@file:Suppress("PackageDirectoryMismatch", "unused")

package android.system

import java.lang.ref.Cleaner

/** Named by the generated half for Android 14 and later; nothing calls it here. */
public object SystemCleaner {
    public fun cleaner(): Cleaner = Cleaner.create()
}
