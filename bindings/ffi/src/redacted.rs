//! Texts of what crosses: a type's name. Kotlin's and Swift's own would print every field into any log.

/// Has each of these types print its name only, here and on the other side.
macro_rules! redacted {
    ($($name:ident),+ $(,)?) => {
        $(
            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!(stringify!($name), "(..)"))
                }
            }

            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!(stringify!($name), "(..)"))
                }
            }
        )+
    };
}

pub(crate) use redacted;
