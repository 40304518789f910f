//! Mail: it arrives once, waits out what passes, gives up what does not, and leaves nothing behind.

use crate::documented::assert_documents;
use crate::on_both_engines;
use crate::statements::rows_of_workspace;
use crate::world::{Engine, World};
use serde_json::{Value, json};
use skylight_db::{Read, args};
use skylight_test_support::smtp::{At, SmtpStandIn};
use skylight_test_support::wait::eventually;
use std::time::Duration;

const TEAM: &str = "/api/v1/team";
const FROM: &str = "no-reply@desert-rose.example";
/// Longer than any test waits for something that must not happen.
const A_WHILE: Duration = Duration::from_millis(700);

on_both_engines! {
    async fn an_invitation_arrives_once_in_the_partners_name(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let partner = world.partner("desert-rose").await;
        world.brand(&partner, "Desert Rose — وردة الصحراء").await;
        let (client, nakheel) = partner.client("نخيل للتجارة", "business").await;
        assert!(client.get("invitation_url").is_none(), "the mail carries the link, the answer does not");
        let body = json!({"name": "Huda\r\nBcc: eve@evil.example", "email": "huda@nakheel.example", "role": "agent", "password": "for the time being"});
        let made = nakheel.post(TEAM, body).await;
        assert_documents("create_team_member", &made);
        let member = made.expect(201)["data"].clone();
        assert!(member.get("invitation_url").is_none());
        let mails = smtp.wait_for(2).await;
        let mail = mails.iter().find(|mail| mail.to == ["huda@nakheel.example"]).unwrap();
        assert_eq!(mail.from, FROM);
        assert!(!mail.data.to_lowercase().contains("skylight") && !mail.data.contains("\r\nBcc:"), "{}", mail.data);
        let letter = mail.letter();
        assert_eq!(letter.from, ("Desert Rose — وردة الصحراء".to_owned(), FROM.to_owned()));
        assert_eq!(letter.to, ("Huda Bcc: eve@evil.example".to_owned(), "huda@nakheel.example".to_owned()));
        assert_eq!(letter.subject, "You are invited to join نخيل للتجارة · دعوة للانضمام إلى نخيل للتجارة");
        assert!(letter.message_id.ends_with("@desert-rose.example"), "{}", letter.message_id);
        for part in [&letter.text, &letter.html] {
            assert!(part.contains("You are invited to join the team of") && part.contains("أنت مدعو للانضمام إلى فريق"), "{part}");
            assert!(part.contains("نخيل للتجارة") && part.contains("Desert Rose"), "{part}");
            assert!(!part.to_lowercase().contains("skylight"), "{part}");
        }
        // The link opens, and nothing of it stays here.
        let link = letter.text.split_whitespace().find(|word| word.contains("/invite?token=")).unwrap().to_owned();
        assert!(letter.html.contains(&link));
        let page = world.http.get(world.local(&link)).send().await;
        assert!(page.status == 200 && page.text().contains("huda@nakheel.example"));
        gone(&world).await;
        // Once more only when somebody asks for it.
        let issued = nakheel.post(&format!("{TEAM}/{}/invite", member["id"]), json!({})).await;
        assert_documents("invite_team_member", &issued);
        let issued = issued.expect(201);
        assert!(issued["data"].get("invitation_url").is_none(), "{issued}");
        let mails = smtp.wait_for(3).await;
        let newer = mails[2].letter();
        assert!(!newer.text.contains(&link) && newer.message_id != letter.message_id);
        assert_eq!(world.http.get(world.local(&link)).send().await.status, 404, "the older link is void");
        smtp.no_more_than(3, A_WHILE).await;
    }

    async fn what_is_not_committed_is_not_mailed(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let nakheel = world.workspace("nakheel").await;
        smtp.wait_for(1).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET team_members = 1", args![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(nakheel.post(TEAM, member(1)).await.expect(403)["code"], "plan_limit_reached");
        let mut taken = member(2);
        taken["email"] = json!("nakheel@clients.example");
        nakheel.post(TEAM, taken).await.expect(422);
        smtp.no_more_than(1, A_WHILE).await;
        gone(&world).await;
    }

    async fn a_refusal_that_passes_is_waited_out(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let nakheel = world.workspace("nakheel").await;
        smtp.wait_for(1).await;
        // Greylisted, a busy server, a password that the operator has to mend.
        let refusals = [(At::Recipient, 451), (At::Data, 452), (At::Login, 535)];
        smtp.refuse_next(At::Recipient, 451);
        nakheel.post(TEAM, member(1)).await.expect(201);
        for (n, next) in refusals.iter().skip(1).map(Some).chain([None]).enumerate() {
            assert_eq!(smtp.wait_for_refusals(n + 1).await.len(), n + 1);
            let waiting = eventually("the mail waits for its next time", async || waiting(&world).await).await;
            assert!(!waiting.contains("inv_") && !waiting.contains("invite") && !waiting.contains("member-1"), "sealed: {waiting}");
            if let Some((at, code)) = next {
                smtp.refuse_next(*at, *code);
            }
            world.clock.advance(Duration::from_secs(16 * 60));
        }
        let mails = smtp.wait_for(2).await;
        assert_eq!(mails[1].to, ["member-1@team.example"]);
        let tries: Vec<_> = smtp.offered().iter().filter(|mail| mail.to == ["member-1@team.example"]).map(|mail| mail.letter().message_id).collect();
        assert_eq!(tries.len(), 2, "refused at its end once, then taken");
        assert_eq!(tries[0], tries[1], "one mail, whatever it takes");
        gone(&world).await;
        smtp.no_more_than(2, A_WHILE).await;
    }

    async fn a_refusal_for_good_is_not_tried_again(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let nakheel = world.workspace("nakheel").await;
        smtp.wait_for(1).await;
        for (n, (at, code)) in [(At::Recipient, 550), (At::Data, 554)].into_iter().enumerate() {
            smtp.refuse_next(at, code);
            nakheel.post(TEAM, member(n)).await.expect(201);
            smtp.wait_for_refusals(n + 1).await;
            gone(&world).await;
        }
        world.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
        smtp.no_more_than(1, A_WHILE).await;
        // The next one goes as if nothing had been.
        nakheel.post(TEAM, member(7)).await.expect(201);
        smtp.wait_for(2).await;
    }

    async fn a_refusal_that_does_not_pass_is_given_up_in_the_end(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let nakheel = world.workspace("nakheel").await;
        smtp.wait_for(1).await;
        (0..9).for_each(|_| smtp.refuse_next(At::Recipient, 450));
        nakheel.post(TEAM, member(1)).await.expect(201);
        for n in 1..=9 {
            smtp.wait_for_refusals(n).await;
            if n < 9 {
                eventually("the mail waits for its next time", async || waiting(&world).await).await;
                // Every wait is over by then; the link's week is not.
                world.clock.advance(Duration::from_secs(if n == 8 { 25 } else { 13 } * 60 * 60));
            }
        }
        gone(&world).await;
        smtp.no_more_than(1, A_WHILE).await;
    }

    async fn mail_of_a_suspended_workspace_waits_and_of_a_deleted_one_goes_with_it(world: World) {
        let (smtp, world) = mailing(world.engine).await;
        let partner = world.partner("rawabi").await;
        let (client, nakheel) = partner.client("Nakheel", "business").await;
        let path = format!("/api/v1/partner/clients/{}", client["id"]);
        smtp.wait_for(1).await;
        gone(&world).await;
        smtp.refuse_next(At::Recipient, 451);
        nakheel.post(TEAM, member(1)).await.expect(201);
        smtp.wait_for_refusals(1).await;
        eventually("the mail waits for its next time", async || waiting(&world).await).await;
        partner.post(&format!("{path}/suspend"), json!({})).await.expect(200);
        world.clock.advance(Duration::from_secs(120));
        smtp.no_more_than(1, A_WHILE).await;
        partner.post(&format!("{path}/reactivate"), json!({})).await.expect(200);
        world.clock.advance(Duration::from_secs(2));
        smtp.wait_for(2).await;
        gone(&world).await;

        smtp.refuse_next(At::Recipient, 451);
        nakheel.post(TEAM, member(2)).await.expect(201);
        smtp.wait_for_refusals(2).await;
        partner.delete(&path).await.expect(204);
        let id = client["id"].as_i64().unwrap();
        eventually("nothing of the workspace is left", async || {
            rows_of_workspace(&world, id).await.is_empty().then_some(())
        }).await;
        world.clock.advance(Duration::from_secs(120));
        smtp.no_more_than(2, A_WHILE).await;
    }
}

/// An installation with a mail server.
async fn mailing(engine: Engine) -> (SmtpStandIn, World) {
    let smtp = SmtpStandIn::start().await;
    let world = World::start_with(engine, &[("smtp_url", &smtp.url()), ("mail_from", FROM)]).await;
    (smtp, world)
}

fn member(n: usize) -> Value {
    json!({"name": "Member", "email": format!("member-{n}@team.example"), "role": "agent", "password": "for the time being"})
}

/// The row of a mail that was tried and waits.
async fn waiting(world: &World) -> Option<String> {
    let sql = "SELECT mail.body FROM mail JOIN job ON job.subject_id = mail.id AND job.workspace_id = mail.workspace_id
               WHERE job.run_at > $1";
    (&world.app.db).opt(sql, args![world.app.now()]).await.unwrap()
}

/// Waits until no mail is stored any more, nor a job for one.
async fn gone(world: &World) {
    eventually("no mail is left", async || {
        let mails: i64 = (&world.app.db).one("SELECT COUNT(*) FROM mail", args![]).await.unwrap();
        let sql = "SELECT COUNT(*) FROM job JOIN job_lane ON job_lane.id = job.lane_id WHERE job_lane.kind = 'mail'";
        let jobs: i64 = (&world.app.db).one(sql, args![]).await.unwrap();
        (mails + jobs == 0).then_some(())
    })
    .await;
}
