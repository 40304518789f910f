//! A brand's colour. What partners enter is data: only `#rrggbb` is a colour, and what is written on it must be legible.

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Reads `#rrggbb`, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// `1a73e8`.
    pub fn digits(self) -> String {
        crate::kernel::secret::hex(&self.0)
    }

    /// Of a mail's button, and of what is written on it.
    pub fn of_mail(own: Option<Self>) -> (String, &'static str) {
        match own {
            Some(colour) => (format!("#{}", colour.digits()), colour.ink()),
            None => ("#24528f".to_owned(), "#ffffff"),
        }
    }

    /// The colour of text on it, black or white, whichever stands out more.
    pub fn ink(self) -> &'static str {
        // The contrast to white falls below that to black at this luminance (WCAG 2).
        if self.luminance() > 0.179 { "#000000" } else { "#ffffff" }
    }

    /// The colour itself where it is dark enough to be read on white, else a dark grey.
    pub fn on_white(self) -> String {
        let contrast = 1.05 / (self.luminance() + 0.05);
        if contrast >= 4.5 { format!("#{}", self.digits()) } else { "#1f2937".to_owned() }
    }

    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_and_nothing_else() {
        assert_eq!(Colour::parse("#1A73e8").map(Colour::digits).as_deref(), Some("1a73e8"));
        for bad in ["", "#", "1a73e8", "#1a73e", "#1a73e88", "#1a73eg", "#+a73e8", "red", "#fff", "#1a73e8;", "#١a73e8"]
        {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_on_a_colour_is_legible() {
        for (colour, ink) in
            [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#ffd400", "#000000"), ("#1a4fa0", "#ffffff")]
        {
            assert_eq!(Colour::parse(colour).unwrap().ink(), ink, "{colour}");
        }
        assert_eq!(Colour::parse("#ffd400").unwrap().on_white(), "#1f2937");
        assert_eq!(Colour::parse("#1a4fa0").unwrap().on_white(), "#1a4fa0");
    }
}
