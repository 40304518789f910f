//! The same calls in the same order, on both engines: a seeded sequence over the whole route table gets equal statuses and
//! equal bodies. What must differ (secrets, request ids) is left out, ids are named by the order in which they appear, and
//! both worlds have the same clock.
//!
//! `SKYLIGHT_SEQUENCE_SEED` and `SKYLIGHT_SEQUENCE_CALLS` choose another sequence.

mod calls;
mod likeness;

use crate::cast::{self, Owner};
use crate::stored;
use crate::world::{Engine, World};
use calls::{Call, Dice, Generator};
use likeness::Likeness;
use skylight::http::Route;
use skylight::kernel::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

const SEED: u64 = 20_260_304;
const CALLS: usize = 2_800;
/// After so many calls other owners go on, so that no workspace reaches the most that it may have of something.
const CALLS_PER_OWNER: usize = 200;

/// A number of the environment.
pub fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    let given = env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_calls_are_answered_alike_by_both_engines() {
    let seed = setting("SKYLIGHT_SEQUENCE_SEED", SEED);
    let calls = setting("SKYLIGHT_SEQUENCE_CALLS", CALLS);
    println!("SKYLIGHT_SEQUENCE_SEED={seed} SKYLIGHT_SEQUENCE_CALLS={calls}");
    let worlds = [World::start(Engine::Sqlite).await, World::start(Engine::Postgres).await];
    let began = SystemClock.now();
    for world in &worlds {
        world.clock.hold_at(began);
        cast::unlimited(world).await;
    }
    let all = skylight::routes::all();
    let routes: Vec<_> = all.iter().filter(|route| route.who.has_key()).collect();
    let mut dice = Dice::new(seed);
    let mut likeness = Likeness::default();
    let mut heard = BTreeMap::<(&str, u16), usize>::new();
    let mut number = 0;
    let mut deck: Vec<&Route> = Vec::new();
    for start in (0..calls).step_by(CALLS_PER_OWNER) {
        let (mut owners, mut strangers) = (Vec::new(), Vec::new());
        for world in &worlds {
            owners.push(Owner::new(world, &format!("owner-{start}")).await);
            strangers.push(Owner::new(world, &format!("stranger-{start}")).await);
        }
        let mut generator = Generator::new(&worlds, &owners, &strangers, number);
        for step in start..calls.min(start + CALLS_PER_OWNER) {
            if deck.is_empty() {
                deck.clone_from(&routes);
                dice.shuffle(&mut deck);
            }
            let Some(route) = deck.pop() else { break };
            let call = generator.next(&mut dice, route).await;
            let status =
                compare(&worlds, &owners, &mut likeness, &mut generator, call, &format!("seed {seed}, call {step}"))
                    .await;
            *heard.entry((route.operation, status)).or_default() += 1;
        }
        number = generator.number;
    }
    println!("{heard:?}");
    assert_told_enough(&routes, &heard, calls);
}

/// Makes a call in both worlds, one after the other, and compares what is said.
async fn compare(
    worlds: &[World; 2],
    owners: &[Owner<'_>],
    likeness: &mut Likeness,
    generator: &mut Generator<'_>,
    call: Call<'_>,
    what: &str,
) -> u16 {
    let mut answers = Vec::new();
    for side in 0..2 {
        stored::at_rest(&worlds[side]).await;
        answers.push(call.send(&worlds[side], &owners[side], side).await);
    }
    let said: Vec<_> = (0..2).map(|side| likeness.of(side, &worlds[side], call.route, &answers[side])).collect();
    assert!(
        said[0] == said[1] && answers[0].status < 500,
        "the engines differ: {what}\n{}\n\nSQLite     {}\n{}\n{}\n\nPostgreSQL {}\n{}\n{}\n",
        call.shown(0),
        answers[0].status,
        answers[0].text(),
        said[0],
        answers[1].status,
        answers[1].text(),
        said[1],
    );
    generator.learn(&call, &answers);
    for world in worlds {
        // What a call sets off happens at its moment.
        stored::at_rest(world).await;
        world.clock.advance(Duration::from_millis(10));
    }
    answers[0].status
}

/// A sequence that never succeeds, or never fails, would prove little.
fn assert_told_enough(routes: &[&Route], heard: &BTreeMap<(&str, u16), usize>, calls: usize) {
    if calls < CALLS {
        return;
    }
    let total = |of: &dyn Fn(&str, u16) -> bool| -> usize {
        heard.iter().filter(|((operation, status), _)| of(operation, *status)).map(|(_, count)| count).sum()
    };
    for route in routes {
        let worked = total(&|operation, status| operation == route.operation && status == route.status);
        assert!(worked > 0, "{} was never answered with {}: {heard:?}", route.operation, route.status);
    }
    for status in [400, 401, 403, 404, 409, 415, 422] {
        assert!(total(&|_, of| of == status) > 0, "no call was answered with {status}: {heard:?}");
    }
    let good = total(&|_, status| status < 300);
    assert!(good > calls / 3 && good < calls, "{good} of {calls} calls worked");
}
