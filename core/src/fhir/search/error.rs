//! Why a search string is refused.

/// Why a search string is refused. Names the parameter or the modifier, never repeats a value: values are PHI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// The part before `?` is no R4 resource type.
    #[error("the search must start with a FHIR R4 resource type, such as Patient?_id=1")]
    Type,
    /// FHIR R4 has no such parameter for this type.
    #[error("unknown search parameter {name}")]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// The parameter takes no such modifier.
    #[error("{name} takes no modifier :{modifier}")]
    Modifier {
        /// The parameter.
        name: String,
        /// As it was written.
        modifier: String,
    },
    /// FHIR has it; this version does not answer it yet.
    #[error("{name} is not supported yet")]
    Unsupported {
        /// As it was written.
        name: String,
    },
    /// The value does not fit.
    #[error("{name}: {why}")]
    Value {
        /// The parameter.
        name: String,
        /// What would fit.
        why: String,
    },
    /// A parameter that takes one value stands twice.
    #[error("{name} stands twice")]
    Twice {
        /// The parameter.
        name: &'static str,
    },
}
