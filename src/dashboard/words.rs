//! What pages say. Names are put behind sentences and between their parts, isolated, so that each keeps its own direction;
//! numbers stand beside labels, not in sentences, so that no text depends on them.

use crate::kernel::language::texts;

texts! {
    /// All texts of pages.
    Words {
        // Choosing a password.
        hello = "Hello", "مرحبًا";
        comma = ",", "،";
        full_stop = ".", ".";
        invited_to = "You are invited to join the team of", "أنت مدعو للانضمام إلى فريق";
        invited_as_partner = "You are invited to the partner account of", "أنت مدعو إلى حساب الشريك";
        choose = "Choose a password", "اختر كلمة مرور";
        password = "Password", "كلمة المرور";
        hint = "At least 8 characters. A few words together are easy to remember and hard to guess.",
            "ثمانية أحرف على الأقل. بضع كلمات معًا سهلة التذكر وصعبة التخمين.";
        again = "The same again", "كلمة المرور مرة أخرى";
        set = "Set password", "حفظ كلمة المرور";
        too_short = "The password needs at least 8 characters.", "يجب ألا تقل كلمة المرور عن ثمانية أحرف.";
        too_long = "The password may have at most 256 characters.", "يجب ألا تزيد كلمة المرور على 256 حرفًا.";
        common = "This password is one of those that are tried first. Please choose another.",
            "هذه الكلمة من أول ما يجرّبه المتطفلون. اختر غيرها من فضلك.";
        differ = "The two passwords differ.", "كلمتا المرور غير متطابقتين.";
        done = "Your password is set", "تم حفظ كلمة المرور";
        sign_in_as = "From now on you sign in with it as", "من الآن تسجّل الدخول بها باسم";
        dead = "This link does not work", "هذا الرابط لا يعمل";
        dead_why = "It may have been used already, or replaced by a newer one, or its seven days are over. Please ask whoever invited you for a new link.",
            "ربما استُخدم من قبل، أو حل محله رابط أحدث، أو انقضت أيامه السبعة. اطلب رابطًا جديدًا ممن دعاك.";

        // Signing in.
        sign_in = "Sign in", "تسجيل الدخول";
        for_partners = "For partners.", "للشركاء.";
        email = "E-mail", "البريد الإلكتروني";
        not_let_in = "The e-mail or the password is wrong, or the account is inactive.",
            "البريد الإلكتروني أو كلمة المرور غير صحيحة، أو الحساب غير نشط.";
        wait_before_trying = "Too many attempts. Please wait a little before you try again.",
            "محاولات كثيرة جدًا. انتظر قليلًا قبل المحاولة من جديد.";

        // Forgotten passwords.
        forgot = "Forgot your password?", "نسيت كلمة المرور؟";
        forgot_how = "Enter the e-mail you sign in with. A link where you choose a new password comes by mail.",
            "أدخل البريد الإلكتروني الذي تسجّل الدخول به. يصلك بالبريد رابط تختار به كلمة مرور جديدة.";
        forgot_without_mail = "This installation sends no mail. Please ask whoever invited you for a new link.",
            "هذا النظام لا يرسل بريدًا. اطلب رابطًا جديدًا ممن دعاك.";
        send_link = "Send the link", "إرسال الرابط";
        no_email = "This is not an e-mail address.", "هذا ليس عنوان بريد إلكتروني.";
        look_at_mail = "Please look at your mail", "تفقّد بريدك من فضلك";
        link_sent = "If somebody signs in here by this e-mail, a link is on its way. It works once, within thirty minutes.",
            "إن كان أحد يسجّل الدخول هنا بهذا البريد فالرابط في طريقه إليه. يعمل مرة واحدة، خلال ثلاثين دقيقة.";
        back_to_sign_in = "Back to signing in", "العودة إلى تسجيل الدخول";
        new_password_at = "You choose a new password of your login at", "تختار كلمة مرور جديدة لدخولك إلى";
        reset_dead_why = "It may have been used already, or replaced by a newer one, or its thirty minutes are over. Please ask for a new link.",
            "ربما استُخدم من قبل، أو حل محله رابط أحدث، أو انقضت دقائقه الثلاثون. اطلب رابطًا جديدًا.";

        // A partner's visit.
        visit = "Enter a client's workspace", "الدخول إلى مساحة عمل عميل";
        visit_where = "You are about to enter, as its partner, the workspace of", "ستدخل، بصفتك الشريك، إلى مساحة عمل";
        visit_rules = "For an hour at most. The client sees that you are there and can end it. Keys and people stay theirs to change.",
            "لمدة ساعة على الأكثر. يرى العميل وجودك ويمكنه إنهاء الزيارة. تغيير المفاتيح والأشخاص يبقى له وحده.";
        visit_enter = "Enter", "دخول";
        visit_dead_why = "It may have been used already, or its fifteen minutes are over. Please issue a new one.",
            "ربما استُخدم من قبل، أو انقضت دقائقه الخمس عشرة. أصدر رابطًا جديدًا.";
        visiting = "A partner's visit. In this workspace now:", "زيارة شريك. الموجود الآن في مساحة العمل هذه:";
        until = "Until", "حتى";
        end_visit = "End the visit", "إنهاء الزيارة";
        visits = "Partner access", "دخول الشريك";
        visits_in = "Your partner is in this workspace now.", "شريكك موجود الآن في مساحة العمل هذه.";
        visits_of = "Your visits in clients' workspaces.", "زياراتك الجارية في مساحات عمل العملاء.";
        since = "Since", "منذ";

        // Refusals.
        old_form = "This form was not accepted", "لم يُقبل هذا النموذج";
        old_form_why = "It is too old, or did not come from this site. Nothing was changed. Please open the page again, at the site's own address:",
            "إنه قديم جدًا أو لم يأتِ من هذا الموقع. لم يتغير شيء. افتح الصفحة من جديد على عنوان الموقع نفسه:";
        no_key_here = "A key does not open pages", "المفتاح لا يفتح الصفحات";
        no_key_here_why = "Keys are for the API. Please sign in instead.", "المفاتيح للواجهة البرمجية. سجّل الدخول بدلًا من ذلك.";
        forbidden = "You may not do this", "لا يحق لك هذا";
        forbidden_why = "Your role, or being on a visit, does not allow it. An admin of the workspace can do it.", "دورك، أو كونك في زيارة، لا يسمح بذلك. يمكن لمسؤول مساحة العمل القيام به.";
        missing = "There is nothing here", "لا شيء هنا";
        missing_why = "It may have been removed meanwhile.", "ربما حُذف في هذه الأثناء.";
        too_many = "Too many requests", "طلبات كثيرة جدًا";
        too_many_why = "Please wait a minute and try again.", "انتظر دقيقة ثم حاول من جديد.";
        not_understood = "This was not understood", "لم يُفهم هذا الطلب";
        not_understood_why = "Please go back and try again.", "عُد إلى الخلف وحاول من جديد.";
        busy = "The site is busy", "الموقع مشغول";
        busy_why = "Please try again shortly.", "حاول من جديد بعد قليل.";
        broken = "Something went wrong", "حدث خطأ ما";
        broken_why = "It is our fault, and was noted. Please try again later.", "الخطأ من جانبنا وقد سُجّل. حاول لاحقًا من فضلك.";

        // Around every page.
        skip = "To the content", "إلى المحتوى";
        menu = "Pages", "الصفحات";
        home = "Home", "الرئيسية";
        integrations = "API & Integrations", "الواجهة البرمجية والتكامل";
        signed_in_as = "Signed in as", "مسجّل الدخول باسم";
        sign_out = "Sign out", "تسجيل الخروج";

        // A workspace's home.
        plan = "Plan", "الباقة";
        contacts = "Contacts", "جهات الاتصال";
        no_contacts = "None yet. They come with their first message, or by the API.", "لا أحد بعد. تصل مع أول رسالة، أو عبر الواجهة البرمجية.";
        messages = "Messages this month", "رسائل هذا الشهر";
        no_messages = "None sent yet this month.", "لم تُرسل أي رسالة هذا الشهر بعد.";
        team = "Team", "الفريق";
        channels = "Channels", "القنوات";
        no_channels = "None connected yet. Channels are connected by the API.", "لا قناة موصولة بعد. تُوصل القنوات عبر الواجهة البرمجية.";
        of_limit = "of", "من";
        unlimited = "unlimited", "بلا حد";
        at_limit = "The plan's limit is reached.", "بلغتَ حد الباقة.";

        // Keys.
        keys = "API keys", "مفاتيح الواجهة البرمجية";
        keys_about = "Other systems use a key to work with this workspace. Keep keys secret: whoever has one can do what the API can.",
            "تستخدم الأنظمة الأخرى المفتاح للعمل مع مساحة العمل هذه. احفظ المفاتيح سرًا: من يملك أحدها يستطيع كل ما تستطيعه الواجهة البرمجية.";
        partner_id = "Your id in the second partner API (/api/v2)", "معرّفك في واجهة الشركاء الثانية (/api/v2)";
        partner_keys_about = "With a partner key your systems manage your clients. Keep keys secret: whoever has one can do what the partner API can.",
            "بمفتاح الشريك تدير أنظمتك عملاءك. احفظ المفاتيح سرًا: من يملك أحدها يستطيع كل ما تستطيعه واجهة الشركاء.";
        not_in_plan = "The plan does not include the API: keys are refused until it does.", "لا تشمل الباقة الواجهة البرمجية: تُرفض المفاتيح حتى تشملها.";
        only_in_person = "On a visit keys are shown and cannot be changed.", "في أثناء الزيارة تُعرض المفاتيح ولا يمكن تغييرها.";
        no_keys = "There is no key yet.", "لا يوجد مفتاح بعد.";
        key_name = "Name", "الاسم";
        key_hint = "Key", "المفتاح";
        made = "Created", "أُنشئ";
        regenerated = "Regenerated", "أُعيد توليده";
        last_used = "Last used", "آخر استخدام";
        never = "never", "لم يُستخدم";
        domains = "Allowed domains", "النطاقات المسموح بها";
        any_domain = "all", "الكل";
        domains_hint = "Host names of web pages that may use the key, one per line. Empty allows all. For example:",
            "أسماء مضيفي الصفحات التي يجوز لها استخدام المفتاح، واحد في كل سطر. الفراغ يسمح للكل. مثلًا:";
        new_key = "Generate a key", "توليد مفتاح";
        generate = "Generate", "توليد";
        edit = "Edit", "تعديل";
        save = "Save", "حفظ";
        regenerate = "Regenerate", "إعادة التوليد";
        regenerate_why = "The key in use now is refused at once. Name and domains stay.", "يُرفض المفتاح المستخدم حاليًا فورًا. يبقى الاسم والنطاقات.";
        revoke = "Revoke", "إلغاء";
        revoke_why = "The key is refused at once, for good.", "يُرفض المفتاح فورًا ونهائيًا.";
        revoke_partner_why = "The key is refused at once, for good. Visits by links that it issued end.",
            "يُرفض المفتاح فورًا ونهائيًا. تنتهي الزيارات التي تمت بروابط أصدرها.";
        shown_once = "This is the new key. Copy it now: it is not shown again.", "هذا هو المفتاح الجديد. انسخه الآن: لن يُعرض مرة أخرى.";
        saved = "Saved.", "تم الحفظ.";
        revoked = "The key is revoked.", "أُلغي المفتاح.";
        webhooks = "Webhooks", "خطافات الويب";
        endpoint = "Endpoint", "نقطة الاستقبال";
        webhook_about = "Your system hears here what happens to your clients. Every delivery is signed.",
            "يعلم نظامك هنا بما يحدث لعملائك. كل إرسال موقّع.";
        switched_off = "It was switched off:", "أُوقفت:";
        address = "Address", "العنوان";
        events = "Events", "الأحداث";
        is_on = "Switched on", "مُفعّلة";
        bad_url = "The address must begin with https:// and lead to a public place.", "يجب أن يبدأ العنوان بـ https:// وأن يكون متاحًا للعموم.";
        no_events_chosen = "Choose at least one event.", "اختر حدثًا واحدًا على الأقل.";
        send_test = "Send a test event", "إرسال حدث تجريبي";
        test_sent = "The test event is on its way.", "الحدث التجريبي في الطريق.";
        new_secret = "New secret", "سر جديد";
        new_secret_why = "The new secret signs at once. For 24 hours the old one signs beside it.", "يوقّع السر الجديد فورًا، ويوقّع القديم بجانبه مدة 24 ساعة.";
        secret_once = "This is the secret that signs deliveries. Copy it now: it is not shown again.",
            "هذا هو السر الذي يوقّع الإرسالات. انسخه الآن: لن يُعرض مرة أخرى.";
        deliveries = "Latest deliveries", "آخر الإرسالات";
        no_deliveries = "Nothing was sent yet.", "لم يُرسل شيء بعد.";
        state = "State", "الحالة";
        delivered = "Delivered", "وصل";
        not_delivered = "Not delivered", "لم يصل";
        tried_again = "Failed, will be tried again", "فشل، ستُعاد المحاولة";
        waiting = "Waiting", "في الانتظار";
        bad_name = "A name has 1 to 255 characters.", "الاسم من حرف واحد إلى 255 حرفًا.";
        bad_domains = "These are not host names:", "هذه ليست أسماء مضيفين:";
        too_many_domains = "A key can have at most 100 domains.", "للمفتاح 100 نطاق على الأكثر.";

        // A partner's home.
        seats = "Client seats", "مقاعد العملاء";
        clients = "Clients", "العملاء";
        no_clients = "There is no client yet. Clients are created by the partner API.", "لا عملاء بعد. يُنشأ العملاء عبر واجهة الشركاء.";
        client = "Client", "العميل";
        status = "Status", "الحالة";
        active = "active", "نشط";
        suspended = "suspended", "موقوف";
        pending_setup = "being set up", "قيد الإعداد";
        newer = "Newer", "الأحدث";
        older = "Older", "الأقدم";
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
