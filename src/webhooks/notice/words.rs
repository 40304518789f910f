//! What is said of an endpoint that was switched off. Names are put behind sentences, isolated, so that each keeps its own
//! direction.

use crate::kernel::language::texts;

texts! {
    /// The mail.
    Words {
        subject = "A webhook was switched off", "تم إيقاف أحد خطافات الويب";
        hello = "Hello", "مرحبًا";
        comma = ",", "،";
        switched_off = "This webhook was switched off:", "تم إيقاف خطاف الويب التالي:";
        because_gone = "Its endpoint answered that it is gone for good (410).", "أجابت نقطة النهاية بأنها لم تعد موجودة نهائيًا (410).";
        because_dead = "For five days every delivery to its endpoint has failed.", "منذ خمسة أيام وكل الإرسالات إلى نقطة النهاية تفشل.";
        what_now = "Deliveries that were waiting are listed as failed. Once the endpoint works again, switch the webhook on and have the failed deliveries recovered.", "الإرسالات التي كانت تنتظر مدرجة على أنها فاشلة. عندما تعمل نقطة النهاية من جديد، فعّل خطاف الويب واطلب استعادة الإرسالات الفاشلة.";
        open = "Open the dashboard", "فتح لوحة التحكم";
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
