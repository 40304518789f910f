//! What is recorded.

use crate::words;
use std::sync::LazyLock;

words! {
    /// What was done: the kind of thing it was done to, and the verb.
    pub enum Action {
        AccountUpdated = "account.updated",
        ApiKeyCreated = "api_key.created",
        ApiKeyUpdated = "api_key.updated",
        ApiKeyRegenerated = "api_key.regenerated",
        ApiKeyRevoked = "api_key.revoked",
        BookingTypeCreated = "booking_type.created",
        BookingTypeUpdated = "booking_type.updated",
        BookingTypeDeleted = "booking_type.deleted",
        BookingResourceCreated = "booking_resource.created",
        BookingResourceUpdated = "booking_resource.updated",
        BookingResourceDeleted = "booking_resource.deleted",
        BookingExceptionCreated = "booking_exception.created",
        BookingExceptionUpdated = "booking_exception.updated",
        BookingExceptionDeleted = "booking_exception.deleted",
        BookingFeedCreated = "booking_feed.created",
        BookingFeedRegenerated = "booking_feed.regenerated",
        BookingFeedDeleted = "booking_feed.deleted",
        ChannelConnected = "channel.connected",
        ChannelDisconnected = "channel.disconnected",
        ChannelStopped = "channel.stopped",
        ClientCreated = "client.created",
        ClientUpdated = "client.updated",
        ClientPlanScheduled = "client.plan_scheduled",
        ClientPlanChanged = "client.plan_changed",
        ClientSuspended = "client.suspended",
        ClientReactivated = "client.reactivated",
        ClientDeleted = "client.deleted",
        ClientAsked = "client.asked_for",
        VisitLinkIssued = "client.visit_link_issued",
        VisitStarted = "client.visit_started",
        VisitEnded = "client.visit_ended",
        PartnerCreated = "partner.created",
        PartnerUpdated = "partner.updated",
        PartnerSuspended = "partner.suspended",
        PartnerReactivated = "partner.reactivated",
        PartnerAsked = "partner.asked_for",
        PartnerKeyCreated = "partner_key.created",
        PartnerKeyRevoked = "partner_key.revoked",
        PartnerMemberInvited = "partner_member.invited",
        PartnerMemberJoined = "partner_member.joined",
        PartnerMemberSignedIn = "partner_member.signed_in",
        PartnerMemberRefused = "partner_member.sign_in_refused",
        PartnerMemberSignedOut = "partner_member.signed_out",
        PartnerMemberResetIssued = "partner_member.reset_issued",
        PartnerMemberPasswordReset = "partner_member.password_reset",
        PartnerTokenIssued = "partner_member.token_issued",
        PartnerWebhookSet = "partner_webhook.set",
        PartnerWebhookRemoved = "partner_webhook.removed",
        PartnerWebhookDeliveryRepeated = "partner_webhook.delivery_repeated",
        PartnerWebhookRecoveryStarted = "partner_webhook.recovery_started",
        PartnerWebhookDisabled = "partner_webhook.disabled",
        PartnerWebhookSecretRegenerated = "partner_webhook.secret_regenerated",
        DepartmentCreated = "ticket_department.created",
        DepartmentUpdated = "ticket_department.updated",
        DepartmentRemoved = "ticket_department.removed",
        MemberCreated = "team_member.created",
        MemberUpdated = "team_member.updated",
        MemberRemoved = "team_member.removed",
        MemberInvited = "team_member.invited",
        MemberJoined = "team_member.joined",
        MemberSignedIn = "team_member.signed_in",
        MemberRefused = "team_member.sign_in_refused",
        MemberSignedOut = "team_member.signed_out",
        MemberResetIssued = "team_member.reset_issued",
        MemberPasswordReset = "team_member.password_reset",
        WebhookCreated = "webhook.created",
        WebhookUpdated = "webhook.updated",
        WebhookDeleted = "webhook.deleted",
        WebhookDeliveryRepeated = "webhook.delivery_repeated",
        WebhookRecoveryStarted = "webhook.recovery_started",
        WebhookDisabled = "webhook.disabled",
        WebhookSecretRegenerated = "webhook.secret_regenerated",
    }
}

impl Action {
    /// The kind of thing it is done to.
    pub fn target(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(target, _)| target)
    }
}

/// The words of a query parameter, for the document.
pub(super) fn alternatives<T>(words: &[(&'static str, T)]) -> String {
    words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|")
}

pub(super) static ACTIONS: LazyLock<String> = LazyLock::new(|| alternatives(Action::WORDS));
