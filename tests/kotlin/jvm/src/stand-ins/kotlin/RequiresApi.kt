@file:Suppress("PackageDirectoryMismatch")

package androidx.annotation

/** Named by the generated half. */
@Retention(AnnotationRetention.SOURCE)
public annotation class RequiresApi(val value: Int)
