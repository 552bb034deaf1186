//! The port through which an engine tells how far it is: it knows no screen.

/// Someone who is told how far work is, and who may interrupt it. `terminal` shows it to people; [`Silent`] does not.
pub trait Progress {
    /// Tells something beside the result.
    fn note(&self, text: &str);
    /// Begins work that may take longer than a second. `what` is what is being done, such as `sending again`, and
    /// `total` how many parts of it there are, where that is known.
    fn begin(&self, what: &str, total: Option<u64>) -> Box<dyn Activity>;
    /// Keeps interruptions, such as Ctrl-C, from ending the process: from now on they are only remembered, so that work
    /// can leave things in order.
    ///
    /// # Errors
    /// A sentence, if the system does not allow it.
    fn hold_interruptions(&self) -> Result<Box<dyn Interruptions>, String>;
}

/// Work that goes on.
pub trait Activity {
    /// Tells how many parts are done.
    fn set(&self, done: u64);
    /// Tells something beside the result.
    fn note(&self, text: &str);
    /// Tells that the work is over.
    fn finish(self: Box<Self>);
}

/// Interruptions that are held.
pub trait Interruptions {
    /// Returns whether one came.
    fn came(&self) -> bool;
    /// Lets interruptions end the process again: nothing is left that would have to be put in order.
    fn release(&self);
}

/// Progress that nobody watches and nobody interrupts: for tests, and for programs without a screen.
///
/// ```
/// use throughline_cli::progress::{Progress, Silent};
/// let activity = Silent.begin("sending again", Some(2));
/// activity.set(1);
/// activity.finish();
/// assert!(!Silent.hold_interruptions()?.came());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _: &str) {}

    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Activity> {
        Box::new(Self)
    }

    fn hold_interruptions(&self) -> Result<Box<dyn Interruptions>, String> {
        Ok(Box::new(Self))
    }
}

impl Activity for Silent {
    fn set(&self, _: u64) {}

    fn note(&self, _: &str) {}

    fn finish(self: Box<Self>) {}
}

impl Interruptions for Silent {
    fn came(&self) -> bool {
        false
    }

    fn release(&self) {}
}
