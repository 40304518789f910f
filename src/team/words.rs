//! What invitations say, in English and Arabic. Names are put behind sentences and between their parts, isolated, so that
//! each keeps its own direction.

/// All texts of one language.
#[derive(Debug, PartialEq)]
pub struct Words {
    pub lang: &'static str,
    pub dir: &'static str,
    /// Of the language, in itself.
    pub name: &'static str,
    pub subject: &'static str,
    pub hello: &'static str,
    pub comma: &'static str,
    pub invited_to: &'static str,
    pub full_stop: &'static str,
    pub choose_by_link: &'static str,
    pub works_once: &'static str,
    pub not_expected: &'static str,
    pub choose: &'static str,
    pub password: &'static str,
    pub hint: &'static str,
    pub again: &'static str,
    pub set: &'static str,
    pub too_short: &'static str,
    pub too_long: &'static str,
    pub common: &'static str,
    pub differ: &'static str,
    pub done: &'static str,
    pub sign_in_as: &'static str,
    pub dead: &'static str,
    pub dead_why: &'static str,
}

pub static EN: Words = Words {
    lang: "en",
    dir: "ltr",
    name: "English",
    subject: "You are invited to join",
    hello: "Hello",
    comma: ",",
    invited_to: "You are invited to join the team of",
    full_stop: ".",
    choose_by_link: "Choose your password here:",
    works_once: "The link works once, within seven days.",
    not_expected: "If you did not expect this message, you can ignore it.",
    choose: "Choose a password",
    password: "Password",
    hint: "At least 8 characters. A few words together are easy to remember and hard to guess.",
    again: "The same again",
    set: "Set password",
    too_short: "The password needs at least 8 characters.",
    too_long: "The password may have at most 256 characters.",
    common: "This password is one of those that are tried first. Please choose another.",
    differ: "The two passwords differ.",
    done: "Your password is set",
    sign_in_as: "From now on you sign in with it as",
    dead: "This link does not work",
    dead_why: "It may have been used already, or replaced by a newer one, or its seven days are over. \
               Please ask whoever invited you for a new link.",
};

pub static AR: Words = Words {
    lang: "ar",
    dir: "rtl",
    name: "العربية",
    subject: "دعوة للانضمام إلى",
    hello: "مرحبًا",
    comma: "،",
    invited_to: "أنت مدعو للانضمام إلى فريق",
    full_stop: ".",
    choose_by_link: "اختر كلمة المرور من هنا:",
    works_once: "يعمل الرابط مرة واحدة، خلال سبعة أيام.",
    not_expected: "إن لم تكن تتوقع هذه الرسالة فيمكنك تجاهلها.",
    choose: "اختر كلمة مرور",
    password: "كلمة المرور",
    hint: "ثمانية أحرف على الأقل. بضع كلمات معًا سهلة التذكر وصعبة التخمين.",
    again: "كلمة المرور مرة أخرى",
    set: "حفظ كلمة المرور",
    too_short: "يجب ألا تقل كلمة المرور عن ثمانية أحرف.",
    too_long: "يجب ألا تزيد كلمة المرور على 256 حرفًا.",
    common: "هذه الكلمة من أول ما يجرّبه المتطفلون. اختر غيرها من فضلك.",
    differ: "كلمتا المرور غير متطابقتين.",
    done: "تم حفظ كلمة المرور",
    sign_in_as: "من الآن تسجّل الدخول بها باسم",
    dead: "هذا الرابط لا يعمل",
    dead_why: "ربما استُخدم من قبل، أو حل محله رابط أحدث، أو انقضت أيامه السبعة. اطلب رابطًا جديدًا ممن دعاك.",
};

impl Words {
    /// The language that was asked for by name, else the one the browser likes best; English if it knows neither.
    pub fn chosen(asked: Option<&str>, accepted: &str) -> &'static Self {
        match asked {
            Some("ar") => &AR,
            Some("en") => &EN,
            _ => Self::liked(accepted),
        }
    }

    fn liked(accepted: &str) -> &'static Self {
        let mut best = (&EN, 0.0);
        for choice in accepted.split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            let words = match tag.split('-').next() {
                Some("ar") => &AR,
                Some("en") => &EN,
                _ => continue,
            };
            if let Some(weight) = weight.filter(|weight| *weight > best.1) {
                best = (words, weight);
            }
        }
        best.0
    }

    /// The other language.
    pub fn other(&self) -> &'static Self {
        if *self == AR { &EN } else { &AR }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_speaks_as_it_was_asked_to() {
        for (asked, accepted, lang) in [
            (None, "", "en"),
            (None, "ar", "ar"),
            (None, "ar-SA,ar;q=0.9,en;q=0.8", "ar"),
            (None, "en-GB,en;q=0.9,ar;q=0.8", "en"),
            (None, "fr,ar;q=0.5,en;q=0.4", "ar"),
            (None, "en;q=0.2, AR;q=0.7", "ar"),
            (None, "de, *;q=0.1", "en"),
            (None, "ar;q=x", "en"),
            (None, "ar;q=0", "en"),
            (Some("ar"), "en", "ar"),
            (Some("en"), "ar", "en"),
            (Some("tlh"), "ar", "ar"),
        ] {
            assert_eq!(Words::chosen(asked, accepted).lang, lang, "{asked:?} {accepted}");
        }
    }
}
