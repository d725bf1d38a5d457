//! Those who wait for each other.

use crate::cast::Cast;
use crate::support::{Record, records, wait_until};

/// Each has a lock and waits for that of the next.
fn circle(cast: &Cast, names: &[&str]) -> Vec<crate::support::Actor> {
    let actors: Vec<_> = names.iter().map(|name| cast.younger(name)).collect();
    for (number, actor) in actors.iter().enumerate() {
        actor.does(format!("flock('{number}.lock', EX)"));
    }
    for (number, actor) in actors.iter().enumerate() {
        actor.waits(format!("flock('{}.lock', EX)", (number + 1) % actors.len()));
    }
    cast.becomes("0.lock", "deadlock");
    actors
}

#[test]
fn two_in_a_circle() {
    let Some(cast) = Cast::with(&[]) else { return };
    let _actors = circle(&cast, &["left", "right"]);
    insta::assert_snapshot!(cast.told("0.lock"), @"
    DIR/0.lock: deadlock (flock lock, exclusive)
    left (pid LEFT) has DIR/0.lock and waits for DIR/1.lock; right (pid RIGHT) has DIR/1.lock and waits for DIR/0.lock. Held by left through descriptor 3, for TIME. 1 process waits for it. left: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      right (pid RIGHT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - End right (pid RIGHT) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill RIGHT
      - So that it does not come back: let all programs take these locks in the same order.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
}

#[test]
fn three_in_a_circle_and_the_way_out() {
    let Some(cast) = Cast::with(&[]) else { return };
    let actors = circle(&cast, &["one", "two", "three"]);
    insta::assert_snapshot!(cast.told("0.lock"), @"
    DIR/0.lock: deadlock (flock lock, exclusive)
    one (pid ONE) has DIR/0.lock and waits for DIR/1.lock; two (pid TWO) has DIR/1.lock and waits for DIR/2.lock; three (pid THREE) has DIR/2.lock and waits for DIR/0.lock. Held by one through descriptor 3, for TIME. 1 process waits for it. one: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      three (pid THREE, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - End three (pid THREE) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill THREE
      - So that it does not come back: let all programs take these locks in the same order.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    insta::assert_snapshot!(cast.told_of(&format!("pid:{}", actors[0].pid)), @"
    one (pid ONE) holds 1 lock and waits for 1
    In a circle: one (pid ONE) waits for DIR/1.lock, which two (pid TWO) keeps; two (pid TWO) waits for DIR/2.lock, which three (pid THREE) keeps; three (pid THREE) waits for DIR/0.lock, which one (pid ONE) keeps; by themselves they never go on. It has waited TIME to have DIR/1.lock exclusively, at place 1 of its queue, behind two (pid TWO). It has DIR/0.lock exclusively through descriptor 3, for TIME; 1 process waits for that. one: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: PLAY.
    Queue:
      three (pid THREE, root) has waited TIME to have DIR/0.lock exclusively
    What can be done, least harm first:
      - End three (pid THREE) with SIGTERM: that opens the circle. It is the youngest in it, so it is likely to lose the least.
          kill THREE
      - Look first at DIR/1.lock, for which it waits.
          locktop explain @(1.lock)
    ");
    cast.follows("0.lock", "kill");
    // Whoever waited for it has its lock now.
    actors[1].answer();
}

#[test]
fn one_waits_for_what_it_inherited() {
    let Some(cast) = Cast::with(&[]) else { return };
    let script = cast.scene.shell("exec 9>l; flock 9; exec flock l true", &[]);
    cast.is(script.pid, "SCRIPT");
    let lock = cast.scene.path("l");
    wait_until("the script waits for itself", || {
        let waits = |record: &Record| record.waits && record.pid == script.pid;
        records(&lock).iter().any(waits).then_some(())
    });
    cast.becomes("l", "deadlock");
    insta::assert_snapshot!(cast.told("l"), @"
    DIR/l: deadlock (flock lock, exclusive)
    flock (pid SCRIPT) waits for DIR/l, which it keeps itself. Held by flock through descriptor 9, for TIME. flock: run by root, in the folder DIR, a child of theatre (pid THEATRE), as: flock l true.
    Queue:
      flock (pid SCRIPT, root) has waited TIME to have it exclusively
    What can be done, least harm first:
      - End flock (pid SCRIPT) with SIGTERM: it waits for what it keeps itself.
          kill SCRIPT
      - So that it does not come back: close the inherited descriptor before the program runs that takes the lock again, as flock -o does.
      - Do not remove the lock's file: that frees nothing, and lets a second holder in beside the first.
    ");
    cast.follows("l", "kill");
    wait_until("nobody has it", || records(&lock).is_empty().then_some(()));
}
