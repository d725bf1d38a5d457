//! How far processes had come at the look before: what they have done since.

use std::collections::HashMap;

use crate::model::{ProcessId, Progress, Sample};

/// The last sample of each process that was asked at the last look.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    before: HashMap<ProcessId, Sample>,
}

impl Samples {
    /// Enters the samples of a look; what each process has done since the look before. Who is not
    /// among them is forgotten.
    pub(crate) fn enter(
        &mut self,
        now: HashMap<ProcessId, Sample>,
    ) -> HashMap<ProcessId, Progress> {
        let progress =
            |(id, sample): (&ProcessId, &Sample)| Some((*id, sample.since(self.before.get(id)?)?));
        let progress = now.iter().filter_map(progress).collect();
        self.before = now;
        progress
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_same_process_has_progress() {
        let sample = |at, runs| Sample {
            at: Duration::from_secs(at),
            cpu: None,
            read: None,
            written: None,
            runs: Some(runs),
        };
        let id = |start| ProcessId { pid: 7, start };
        let mut samples = Samples::default();
        assert!(samples.enter(HashMap::from([(id(1), sample(10, 5))])).is_empty());
        let progress = samples.enter(HashMap::from([(id(1), sample(12, 9))]));
        assert_eq!(progress[&id(1)].runs, Some(4));
        // Its number is somebody else's by now.
        assert!(samples.enter(HashMap::from([(id(2), sample(14, 1))])).is_empty());
        assert!(samples.enter(HashMap::from([(id(1), sample(16, 9))])).is_empty());
    }
}
