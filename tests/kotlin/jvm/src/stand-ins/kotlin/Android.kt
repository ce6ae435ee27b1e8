@file:Suppress("PackageDirectoryMismatch", "unused")

package android.os

/** The generated half asks for the level of Android, to choose how forgotten objects are found. */
public object Build {
    public object VERSION {
        public const val SDK_INT: Int = 28
    }

    public object VERSION_CODES {
        public const val UPSIDE_DOWN_CAKE: Int = 34
    }
}
