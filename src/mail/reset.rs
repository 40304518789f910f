//! The mail with a link to a new password. It says the same to everybody who may have one.

use super::{Between, Mail, short_line};
use crate::kernel::language::texts;
use crate::kernel::{Email, Error, Instant, Language, Result, Secret};
use crate::partners::{Colour, Face};
use askama::Template;

texts! {
    /// The mail.
    Words {
        subject = "A new password", "كلمة مرور جديدة";
        hello = "Hello", "مرحبًا";
        comma = ",", "،";
        asked = "Somebody asked for a new password of your login at", "طلب أحدهم كلمة مرور جديدة لدخولك إلى";
        full_stop = ".", ".";
        choose_by_link = "Choose it here:", "اخترها من هنا:";
        choose = "Choose a new password", "اختر كلمة مرور جديدة";
        works_once = "The link works once, within thirty minutes.", "يعمل الرابط مرة واحدة، خلال ثلاثين دقيقة.";
        not_asked = "If it was not you, you can ignore this message: nothing has changed.",
            "إن لم تكن أنت فيمكنك تجاهل هذه الرسالة: لم يتغير شيء.";
    }
}

/// Of a name in a mail: what tenants write there must not become the mail.
const LONGEST_NAME: usize = 80;

/// What the mail is about.
#[derive(Clone, Copy, Debug)]
pub struct Reset<'a> {
    pub to: &'a Email,
    /// Empty where nobody knows it.
    pub name: &'a str,
    pub face: &'a Face,
    pub url: &'a Secret,
    pub until: Instant,
}

struct Part {
    w: &'static Words,
    language: Language,
}

#[derive(Template)]
#[template(path = "mail/reset.txt")]
struct Text<'a> {
    parts: &'a [Part],
    name: &'a str,
    company: &'a str,
    brand: &'a str,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "mail/reset.html")]
struct Html<'a> {
    parts: &'a [Part],
    name: &'a str,
    company: &'a str,
    brand: &'a str,
    link: &'a str,
    colour: String,
    ink: &'static str,
}

/// Writes it.
pub fn reset(about: &Reset<'_>) -> Result<Mail> {
    let short = |name: &str| short_line(name, LONGEST_NAME);
    let [name, company, brand] = [about.name, &about.face.company_name, &about.face.brand].map(short);
    let parts = &Language::ALL.map(|language| Part { w: Words::of(language), language });
    let (colour, ink) = Colour::of_mail(about.face.colour);
    let (name, company, brand, link) = (name.as_str(), company.as_str(), brand.as_str(), about.url.reveal());
    let text = Text { parts, name, company, brand, link }.render().map_err(Error::internal)?;
    let html = Html { parts, name, company, brand, link, colour, ink }.render().map_err(Error::internal)?;
    let subject = parts.each_ref().map(|part| part.w.subject).join(" · ");
    let between = Between { to: about.to, to_name: name, from_name: brand };
    let mail = Mail::new(between, &subject, Secret::new(text), Secret::new(html))?;
    Ok(mail.worth_sending_until(about.until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_every_language() {
        crate::kernel::language::check(Words::ALL);
    }
}
