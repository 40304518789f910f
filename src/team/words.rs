//! What invitations say. Names are put behind sentences and between their parts, isolated, so that each keeps its own
//! direction.

use crate::kernel::language::texts;

texts! {
    /// The mail, and the page behind its link.
    Words {
        subject = "You are invited to join", "دعوة للانضمام إلى";
        hello = "Hello", "مرحبًا";
        comma = ",", "،";
        invited_to = "You are invited to join the team of", "أنت مدعو للانضمام إلى فريق";
        full_stop = ".", ".";
        choose_by_link = "Choose your password here:", "اختر كلمة المرور من هنا:";
        works_once = "The link works once, within seven days.", "يعمل الرابط مرة واحدة، خلال سبعة أيام.";
        not_expected = "If you did not expect this message, you can ignore it.", "إن لم تكن تتوقع هذه الرسالة فيمكنك تجاهلها.";
        choose = "Choose a password", "اختر كلمة مرور";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_every_language() {
        crate::kernel::language::check(Words::ALL);
    }
}
