//! The token that opens the store's doors, and how far.

use super::view::View;

/// Proof that `access` decided and audited, and what it decided may be seen. Only `access` may name this type; the
/// import test reads every `crate::` path to make sure.
#[derive(Debug)]
pub(crate) struct Permit(View);

impl Permit {
    /// To everything: for what a device does for itself, and for those whom no policy limits. Called by `access` alone.
    pub(crate) fn granted() -> Self {
        Self(View::All)
    }

    /// To what `view` shows. Called by `access` alone.
    pub(crate) fn seeing(view: View) -> Self {
        Self(view)
    }

    pub(super) fn view(&self) -> &View {
        &self.0
    }
}
