//! Pictures that partners enter: decoded, and encoded anew from their pixels alone. What else a file carries (places,
//! thumbnails, profiles, texts, whatever stands behind its end) never leaves this module. Drawings in SVG are documents with
//! scripts, and are refused; so is what moves.

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder};
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageResult, Limits};
use std::io::Cursor;

/// The longest side of a picture.
pub const MOST_PIXELS: u32 = 2048;
/// What decoding may take of memory: twice the largest picture at eight bytes a pixel.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
/// Of a picture written anew: without loss it may be larger than the file that was sent.
pub const MOST_WRITTEN: usize = 2 * 1024 * 1024;
/// Of a JPEG written anew: what it loses once more is not seen.
const QUALITY: u8 = 90;

/// What a picture is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    /// By the file's first bytes; what it is called says nothing.
    fn of(file: &[u8]) -> Option<Self> {
        match image::guess_format(file).ok()? {
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::Jpeg => Some(Self::Jpeg),
            ImageFormat::WebP => Some(Self::Webp),
            _ => None,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
        }
    }
}

/// A picture, written anew.
#[derive(Debug)]
pub struct Image {
    pub format: Format,
    pub bytes: Vec<u8>,
}

/// Why a file is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No picture, not one of the three formats, broken, or more than one picture.
    Unreadable,
    TooManyPixels,
    TooLarge,
}

impl From<ImageError> for Unfit {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => Self::TooManyPixels,
            _ => Self::Unreadable,
        }
    }
}

impl Image {
    /// Takes as long as a large picture takes: not for a thread that others wait for.
    pub fn read(file: &[u8]) -> Result<Self, Unfit> {
        let format = Format::of(file).ok_or(Unfit::Unreadable)?;
        let picture = match format {
            Format::Png => png(file)?,
            Format::Jpeg => jpeg(file)?,
            Format::Webp => webp(file)?,
        };
        let bytes = written(&picture, format)?;
        if bytes.len() > MOST_WRITTEN { Err(Unfit::TooLarge) } else { Ok(Self { format, bytes }) }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(MOST_MEMORY);
    limits
}

fn png(file: &[u8]) -> Result<DynamicImage, Unfit> {
    let mut decoder = PngDecoder::with_limits(Cursor::new(file), limits())?;
    if decoder.is_apng()? {
        return Err(Unfit::Unreadable);
    }
    let turn = decoder.orientation()?;
    pixels(decoder, turn)
}

fn jpeg(file: &[u8]) -> Result<DynamicImage, Unfit> {
    let mut decoder = JpegDecoder::new(Cursor::new(file))?;
    let turn = decoder.orientation()?;
    pixels(decoder, turn)
}

/// Upright as it is: to ask for its orientation would reserve as much memory as the file claims that its notes take.
fn webp(file: &[u8]) -> Result<DynamicImage, Unfit> {
    let decoder = WebPDecoder::new(Cursor::new(file))?;
    if decoder.has_animation() {
        return Err(Unfit::Unreadable);
    }
    limits().check_dimensions(decoder.dimensions().0, decoder.dimensions().1)?;
    if !frames_fill(file, decoder.dimensions()) {
        return Err(Unfit::Unreadable);
    }
    pixels(decoder, Orientation::NoTransforms)
}

/// Whether every lossy frame has its canvas' size. The decoder draws a frame before it compares, so that a small canvas
/// could hide a frame that takes seconds and half a gigabyte.
fn frames_fill(file: &[u8], canvas: (u32, u32)) -> bool {
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    let frames = file.windows(18).filter(|bytes| bytes.starts_with(b"VP8 ") && bytes[11..14] == [0x9d, 0x01, 0x2a]);
    frames.into_iter().all(|frame| (side(frame[14], frame[15]), side(frame[16], frame[17])) == canvas)
}

fn pixels(mut decoder: impl ImageDecoder, turn: Orientation) -> Result<DynamicImage, Unfit> {
    if decoder.total_bytes() == 0 {
        return Err(Unfit::Unreadable);
    }
    decoder.set_limits(limits())?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(turn);
    Ok(picture)
}

fn written(picture: &DynamicImage, format: Format) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    match format {
        Format::Png => picture.write_with_encoder(PngEncoder::new_with_quality(
            &mut bytes,
            CompressionType::Default,
            FilterType::Adaptive,
        )),
        Format::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)),
        Format::Webp => picture.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)),
    }?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GenericImageView, ImageEncoder, RgbaImage};
    use std::time::{Duration, Instant};

    const SECRET: &[u8] = b"taken at 24.7136, 46.6753";
    const FORMATS: [Format; 3] = [Format::Png, Format::Jpeg, Format::Webp];

    /// Red above, blue below.
    fn flag(width: u32, height: u32) -> DynamicImage {
        let colour = |_, y| if y < height / 2 { [220, 20, 20, 255] } else { [20, 20, 220, 255] };
        RgbaImage::from_fn(width, height, |x, y| image::Rgba(colour(x, y))).into()
    }

    fn plain(format: Format) -> Vec<u8> {
        written(&flag(24, 16), format).unwrap()
    }

    /// Notes as cameras write them: which side is up, and where it was.
    fn exif(orientation: u8) -> Vec<u8> {
        let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
        [b"MM\0*\0\0\0\x08\0\x01".as_slice(), &entry, &[0; 4], SECRET].concat()
    }

    fn noted(format: Format, orientation: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (picture, exif) = (flag(24, 16), exif(orientation));
        match format {
            Format::Png => {
                let mut encoder = PngEncoder::new(&mut bytes);
                encoder.set_exif_metadata(exif).unwrap();
                picture.write_with_encoder(encoder).unwrap();
            }
            Format::Jpeg => {
                let mut encoder = JpegEncoder::new(&mut bytes);
                encoder.set_exif_metadata(exif).unwrap();
                picture.write_with_encoder(encoder).unwrap();
            }
            Format::Webp => {
                let mut encoder = WebPEncoder::new_lossless(&mut bytes);
                encoder.set_exif_metadata(exif).unwrap();
                picture.write_with_encoder(encoder).unwrap();
            }
        }
        bytes
    }

    /// A chunk of PNG, with its CRC-32.
    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let named = [name.as_slice(), data].concat();
        let sum = !named.iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
        });
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], &named, &sum.to_be_bytes()].concat()
    }

    /// A PNG with more chunks behind its head, which is of this size.
    fn png_with(size: Option<(u32, u32)>, more: &[u8]) -> Vec<u8> {
        let mut head = plain(Format::Png)[16..29].to_vec();
        if let Some((width, height)) = size {
            head[..4].copy_from_slice(&width.to_be_bytes());
            head[4..8].copy_from_slice(&height.to_be_bytes());
        }
        [&plain(Format::Png)[..8], &chunk(b"IHDR", &head), more, &plain(Format::Png)[33..]].concat()
    }

    fn part(name: &[u8; 4], claimed: usize, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(claimed).unwrap().to_le_bytes();
        [name.as_slice(), &length, data, &vec![0; data.len() % 2]].concat()
    }

    fn riff(chunks: &[u8]) -> Vec<u8> {
        part(b"RIFF", chunks.len() + 4, &[b"WEBP", chunks].concat())
    }

    fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
        let sides = [width - 1, height - 1].map(|side| side.to_le_bytes());
        part(b"VP8X", 10, &[&[flags, 0, 0, 0][..], &sides[0][..3], &sides[1][..3]].concat())
    }

    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let data =
            [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 64]].concat();
        part(b"VP8 ", data.len(), &data)
    }

    fn holds(bytes: &[u8], text: &[u8]) -> bool {
        bytes.windows(text.len()).any(|part| part == text)
    }

    #[test]
    fn what_is_written_is_the_picture_and_nothing_else() {
        for format in FORMATS {
            let (plain, noted) = (plain(format), noted(format, 1));
            assert!(holds(&noted, SECRET));
            let expected = Image::read(&plain).unwrap();
            let followed = [plain.as_slice(), b"<script>alert(1)</script>", SECRET].concat();
            for file in [&noted, &followed] {
                let image = Image::read(file).unwrap();
                assert_eq!((image.format, &image.bytes), (format, &expected.bytes));
                assert!(!holds(&image.bytes, SECRET) && !holds(&image.bytes, b"script"));
            }
            let shown = image::load_from_memory(&expected.bytes).unwrap();
            assert_eq!((shown.dimensions(), Format::of(&expected.bytes)), ((24, 16), Some(format)));
            let (above, below) = (shown.get_pixel(4, 3), shown.get_pixel(4, 12));
            assert!(above[0] > 200 && above[2] < 40 && below[0] < 40 && below[2] > 200, "{above:?} {below:?}");
        }
        let texts = [
            chunk(b"tEXt", &[b"Comment\0", SECRET].concat()),
            chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", SECRET].concat()),
        ];
        let image = Image::read(&png_with(None, &texts.concat())).unwrap();
        assert_eq!(image.bytes, Image::read(&plain(Format::Png)).unwrap().bytes);
        let comment = [&[0xff, 0xfe, 0, 27][..], SECRET].concat();
        let jpeg = plain(Format::Jpeg);
        let image = Image::read(&[&jpeg[..2], &comment, &jpeg[2..]].concat()).unwrap();
        assert_eq!(image.bytes, Image::read(&jpeg).unwrap().bytes);
    }

    #[test]
    fn what_was_photographed_sideways_stands_upright() {
        for format in [Format::Png, Format::Jpeg] {
            let image = Image::read(&noted(format, 6)).unwrap();
            let shown = image::load_from_memory(&image.bytes).unwrap();
            assert_eq!(shown.dimensions(), (16, 24));
            // What was above is at the right.
            let (left, right) = (shown.get_pixel(3, 12), shown.get_pixel(12, 12));
            assert!(left[2] > 200 && right[0] > 200, "{left:?} {right:?}");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut forged = plain(Format::Png);
        forged[17] ^= 1;
        let moving = chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
        let lossless = plain(Format::Webp)[12..].to_vec();
        let files = [
            Vec::new(),
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            [b"<html>".as_slice(), &plain(Format::Png)].concat(),
            [b"GIF89a".as_slice(), &plain(Format::Jpeg)].concat(),
            b"BM".to_vec(),
            b"\x89PNG\r\n\x1a\n".to_vec(),
            forged,
            png_with(Some((0, 16)), &[]),
            png_with(None, &moving),
            vec![0xff, 0xd8, 0xff, 0xd9],
            riff(b""),
            riff(&[extended(0, 30, 20), lossless.clone()].concat()),
            riff(&[extended(2, 24, 16), part(b"ANIM", 6, &[0; 6]), part(b"ANMF", 16, &[0; 16]), lossless].concat()),
            riff(&part(b"VP8 ", 12, b"no key frame")),
        ];
        for file in files {
            assert_eq!(Image::read(&file).unwrap_err(), Unfit::Unreadable, "{:?}", String::from_utf8_lossy(&file));
        }
    }

    #[test]
    fn files_that_unfold_without_measure_are_refused_at_once() {
        let mut jpeg = plain(Format::Jpeg);
        let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        let mut profile = Vec::new();
        let mut encoder = PngEncoder::new(&mut profile);
        encoder.set_icc_profile(vec![0; 80 << 20]).unwrap();
        flag(24, 16).write_with_encoder(encoder).unwrap();
        assert!(profile.len() < 512 * 1024);
        let claimed =
            [extended(8, 24, 16), plain(Format::Webp)[12..].to_vec(), part(b"EXIF", 0xffff_fff0, b"")].concat();
        let since = Instant::now();
        for large in
            [png_with(Some((60_000, 60_000)), &[]), png_with(Some((2049, 1)), &[]), jpeg, riff(&lossy(16_383, 16_383))]
        {
            assert_eq!(Image::read(&large).unwrap_err(), Unfit::TooManyPixels);
        }
        assert_eq!(
            Image::read(&riff(&[extended(0, 24, 16), lossy(16_383, 16_383)].concat())).unwrap_err(),
            Unfit::Unreadable
        );
        // Neither is more of it read than there is, nor more than is borne.
        for file in [profile, riff(&claimed)] {
            let read = Image::read(&file).map(|image| image.bytes);
            assert!(read.as_ref().is_ok_and(|bytes| bytes.len() < 1024) || read == Err(Unfit::Unreadable));
        }
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    }

    #[test]
    fn a_picture_that_grows_too_large_is_refused() {
        let mut random = 1_u32;
        let mut noise = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        let noise = RgbaImage::from_fn(1024, 1024, |_, _| image::Rgba([noise(), noise(), noise(), noise()]));
        let file = written(&noise.into(), Format::Webp).unwrap();
        assert_eq!(Image::read(&file).unwrap_err(), Unfit::TooLarge);
    }

    /// Broken at any place, a file is refused or drawn as far as it goes: no decoder may fall over it.
    #[test]
    fn broken_files_break_nothing() {
        for format in FORMATS {
            let whole = noted(format, 6);
            for at in 0..whole.len() {
                let mut turned = whole.clone();
                turned[at] = !turned[at];
                for file in [&whole[..at], &turned] {
                    if let Ok(image) = Image::read(file) {
                        assert!(
                            image::load_from_memory(&image.bytes).is_ok() && !holds(&image.bytes, SECRET),
                            "{format:?} at {at}"
                        );
                    }
                }
            }
        }
    }
}
