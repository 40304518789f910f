//! A node that sleeps longer than its heartbeat counts and then wakes up, believing that nothing happened: what it held was
//! taken over, and what it still has to say of it does not count.

use super::house::House;
use crate::world::{Actor, Engine};
use serde_json::json;
use skylight_db::{Read, args};
use skylight_test_support::script::Behaviour;
use skylight_test_support::wait::until_within;
use std::collections::BTreeMap;
use std::time::Duration;

/// Ten seconds until a silent node's heartbeat is stale, and time for the work itself on a slow machine.
const TAKEOVER: Duration = Duration::from_secs(40);
const A_WHILE: Duration = Duration::from_millis(1500);
/// How many deliveries to one endpoint are under way before it has answered.
const UNDER_WAY: usize = 8;
const CONTACTS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_wakes_up_after_its_lease_changes_nothing() {
    let house = House::on(Engine::Postgres).await;
    // One after the other: the first one has the smaller number.
    let nodes = [house.serve().await, house.serve().await];
    let reseller = house.partner(&nodes[0].base(), "rawabi").await;
    let (_, nakheel) = reseller.client("Nakheel", "business").await;
    let hook = nakheel.webhook(&house.receiver.url("/crm"), &["*"]).await;
    let (held, hold) = Behaviour::status(200).held();
    house.receiver.script().always("/crm", held);
    for number in 0..CONTACTS {
        at(&nakheel, &nodes[number % 2].base())
            .contact(&format!("Contact {number}"), &format!("+9665000000{number:02}"))
            .await;
    }
    hold.wait_for_held(UNDER_WAY).await;

    // The one that delivers falls asleep with the requests under way, which are then answered.
    let db = house.db();
    let holder: bool = (&db)
        .one(
            "SELECT leased_by = (SELECT MAX(id) FROM node) FROM job_lane WHERE kind = 'webhooks.deliver' AND key = $1",
            args![hook["id"].as_i64()],
        )
        .await
        .unwrap();
    let (asleep, awake) = (&nodes[usize::from(holder)], &nodes[usize::from(!holder)]);
    asleep.fall_asleep().await;
    hold.release();
    let path = format!("/api/v1/webhooks/{}/deliveries?status=delivered&per_page=100", hook["id"]);
    let log = until_within(TAKEOVER, "the other node delivers everything", async || {
        let log = at(&nakheel, &awake.base()).get(&path).await.expect(200);
        if log["meta"]["total"] == CONTACTS { Ok(log) } else { Err(log["meta"].to_string()) }
    })
    .await;
    let arrived = house.receiver.count(|_| true);

    // It wakes up and has eight successes to tell. Nobody wants to know.
    asleep.signal("CONT");
    until_within(TAKEOVER, "it notices that it was given up", async || {
        if asleep.log().contains("the lease was lost") { Ok(()) } else { Err("nothing yet") }
    })
    .await;
    house.receiver.no_more_than(arrived, A_WHILE).await;
    assert_eq!(
        at(&nakheel, &asleep.base()).get(&path).await.expect(200)["data"],
        log["data"],
        "the log stays as it was"
    );
    let mut times = BTreeMap::<String, usize>::new();
    house.receiver.deliveries().iter().for_each(|delivery| *times.entry(delivery.id().to_owned()).or_default() += 1);
    let twice = times.values().filter(|count| **count == 2).count();
    assert_eq!((times.len(), twice, arrived), (CONTACTS, UNDER_WAY, CONTACTS + UNDER_WAY), "twice: what was under way");

    // Both go on.
    for number in CONTACTS..2 * CONTACTS {
        at(&nakheel, &nodes[number % 2].base())
            .contact(&format!("Contact {number}"), &format!("+9665000000{number:02}"))
            .await;
    }
    let all = house.receiver.wait_for(arrived + CONTACTS).await;
    house.receiver.no_more_than(arrived + CONTACTS, A_WHILE).await;
    assert!(all.iter().all(|delivery| delivery.json["event"] == json!("contact.created")));
    house.cli(&["check"]).await.success();
}

fn at(caller: &Actor, base: &str) -> Actor {
    Actor { base: base.to_owned(), ..caller.clone() }
}
