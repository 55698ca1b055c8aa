//! The picture of a run.

use std::io;
use std::path::Path;

use super::Sim;
use super::picture;

/// # Pictures
impl Sim {
    /// Draws what happened so far, as [`timeline_svg`](Self::timeline_svg) has it, into the file at `path`, which is replaced if it
    /// is there. This is the only place where a world touches the real one.
    ///
    /// # Errors
    ///
    /// What writing the file has failed with.
    pub fn timeline(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.timeline_svg())
    }

    /// A picture of what happened so far, as SVG: hosts side by side, time downward, connections as arrows between them.
    ///
    /// A few connections are drawn message by message, hundreds as a lane each whose width is bytes, thousands as sums over time;
    /// the picture says what was summed or left out, and it says so if the trace did not [keep](Self::keep_trace) all
    /// events. Long times in which nothing happens are cut out. It has tooltips, a dark form for browsers that prefer one, no scripts
    /// and nothing from elsewhere, and is some megabytes large at most. The same trace gives the same text.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_sim::Sim;
    ///
    /// let sim = Sim::new(1);
    /// let host = sim.host("a <b>");
    /// sim.at(Duration::from_secs(1), move |_| host.crash());
    /// sim.run().expect_done();
    /// let picture = sim.timeline_svg();
    /// assert!(picture.starts_with("<svg") && picture.contains("a &lt;b&gt;"));
    /// ```
    #[must_use]
    pub fn timeline_svg(&self) -> String {
        let hosts =
            self.core().world().machines.iter().map(|m| (m.name.clone(), m.addresses.clone())).collect();
        picture::draw(&self.trace(), hosts, self.now().as_nanos())
    }
}
