//! What it costs others that their locks are traced.

use std::time::Duration;

use locktop::Inspector;

use super::dashboard::throughput;
use super::support::Scene;

/// How long a program locks and unlocks at a time,
const TIME: Duration = Duration::from_millis(500);
/// and how often, alternately.
const TURNS: usize = 20;

pub(crate) fn measure() {
    println!("\ntracing, and a program that opens, locks and closes a file without a pause");
    let Some(scene) = Scene::with(&[]) else { return };
    let (path, other) = (scene.path("contested"), scene.path("other"));
    std::fs::write(&other, "").unwrap();
    let mut inspector = Inspector::new().unwrap();
    let (mut without, mut with, mut elsewhere) = (0.0, 0.0, 0.0);
    let (mut cost, mut events, mut lost) = (Duration::ZERO, 0, 0);
    for _ in 0..TURNS {
        without += throughput(&path, TIME);
        let state = inspector.trace();
        if !state.is_on() {
            return println!("{:?}", state.declined);
        }
        with += throughput(&path, TIME);
        let state = inspector.tracing();
        (cost, events, lost) = (cost + state.cost, events + state.events, lost + state.lost);
        inspector.stop_tracing();
        let mut filtered = Inspector::new().unwrap();
        filtered.expect_at(&[locktop::Target::Path(other.clone())], locktop::Folders::Themselves);
        filtered.trace();
        elsewhere += throughput(&path, TIME);
    }
    let share = |rate: f64| (1.0 - rate / without) * 100.0;
    println!(
        "loss of throughput: {:.1}% when it is traced, {:.1}% when another file is; \
         {events} events, {lost} lost, {:.1} us each to read",
        share(with),
        share(elsewhere),
        cost.as_secs_f64() * 1e6 / events.max(1) as f64,
    );
}
