//! Pictures that partners enter. Nothing here draws: a file is taken apart, judged, and written anew from the parts that a
//! browser needs to draw one still picture. What else a file carries (places, thumbnails, animations, profiles, whatever
//! stands behind its end) is left behind. Drawings in SVG are documents with scripts, and are refused.

/// The longest side of a picture.
pub const MOST_PIXELS: u32 = 2048;

/// What a picture is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
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
    /// No picture, not one of the three formats, or broken.
    Unreadable,
    TooManyPixels,
}

impl Image {
    pub fn read(file: &[u8]) -> Result<Self, Unfit> {
        let (format, read) = match file {
            [0x89, b'P', b'N', b'G', ..] => (Format::Png, png(file)),
            [0xff, 0xd8, 0xff, ..] => (Format::Jpeg, jpeg(file)),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => (Format::Webp, webp(file)),
            _ => return Err(Unfit::Unreadable),
        };
        let (bytes, (width, height)) = read.ok_or(Unfit::Unreadable)?;
        if width == 0 || height == 0 {
            return Err(Unfit::Unreadable);
        }
        if width > MOST_PIXELS || height > MOST_PIXELS {
            return Err(Unfit::TooManyPixels);
        }
        Ok(Self { format, bytes })
    }
}

type Size = (u32, u32);

/// The first bytes of what is left, which is then shorter by them.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn big_endian(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn little_endian(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Chunks of a length, a name, data and a checksum: a head, then the picture, then the end.
fn png(file: &[u8]) -> Option<(Vec<u8>, Size)> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    const KEPT: [&[u8]; 6] = [b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT"];
    let mut rest = file.strip_prefix(SIGNATURE)?;
    let (mut out, mut size, mut has_picture) = (SIGNATURE.to_vec(), None, false);
    loop {
        let whole = rest;
        let length = usize::try_from(big_endian(take(&mut rest, 4)?)?).ok()?;
        let named = rest.get(..4 + length)?;
        let (name, data) = (take(&mut rest, 4)?, take(&mut rest, length)?);
        if big_endian(take(&mut rest, 4)?)? != checksum(named) {
            return None;
        }
        let chunk = &whole[..whole.len() - rest.len()];
        match (name, size) {
            (b"IHDR", None) if length == 13 => size = Some((big_endian(&data[..4])?, big_endian(&data[4..8])?)),
            (b"IHDR", _) | (_, None) => return None,
            (b"IEND", _) if length == 0 && has_picture => {
                out.extend_from_slice(chunk);
                return Some((out, size?));
            }
            (b"IEND", _) => return None,
            // Names of parts that a decoder must understand begin with a capital.
            _ if !KEPT.contains(&name) && name[0].is_ascii_uppercase() => return None,
            _ => has_picture |= name == b"IDAT",
        }
        if KEPT.contains(&name) {
            out.extend_from_slice(chunk);
        }
    }
}

/// CRC-32, bit by bit: files are small, and nobody waits.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// Segments behind markers, with the picture's own data behind each start of a scan.
fn jpeg(file: &[u8]) -> Option<(Vec<u8>, Size)> {
    const FRAMES: [u8; 3] = [0xc0, 0xc1, 0xc2];
    // Tables, restarts, the kind of file, and how its colours are mixed.
    const KEPT: [u8; 5] = [0xc4, 0xdb, 0xdd, 0xe0, 0xee];
    let mut rest = file.strip_prefix(&[0xff, 0xd8])?;
    let (mut out, mut size, mut has_picture) = (vec![0xff, 0xd8], None, false);
    loop {
        while rest.starts_with(&[0xff, 0xff]) {
            take(&mut rest, 1)?;
        }
        let marker = *take(&mut rest, 2)?.strip_prefix(&[0xff])?.first()?;
        if marker == 0xd9 {
            out.extend_from_slice(&[0xff, marker]);
            return if has_picture { Some((out, size?)) } else { None };
        }
        let length = usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?));
        let segment = take(&mut rest, length.max(2))?;
        let is_frame = FRAMES.contains(&marker);
        if is_frame {
            let pair = |at: usize| Some(u32::from(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?)));
            let found = (pair(5)?, pair(3)?);
            if size.replace(found).is_some() {
                return None;
            }
        }
        let is_scan = marker == 0xda;
        if is_frame || is_scan || KEPT.contains(&marker) {
            out.extend_from_slice(&[0xff, marker]);
            out.extend_from_slice(segment);
        } else if !(0xe1..=0xef).contains(&marker) && marker != 0xfe {
            return None;
        }
        if is_scan {
            size?;
            has_picture = true;
            let end = end_of_scan(rest)?;
            out.extend_from_slice(take(&mut rest, end)?);
        }
    }
}

/// Where the next marker is: in a scan's data 0xff is followed by 0, or by the number of a restart.
fn end_of_scan(data: &[u8]) -> Option<usize> {
    data.windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0 && !(0xd0..=0xd7).contains(&pair[1]))
}

/// A RIFF file: the picture's chunk, and in the extended form those around it.
fn webp(file: &[u8]) -> Option<(Vec<u8>, Size)> {
    let length = usize::try_from(little_endian(file.get(4..8)?)?).ok()?;
    let mut rest = file.get(12..length.checked_add(8)?)?;
    let (mut parts, mut canvas, mut size) = (Vec::new(), None, None);
    while !rest.is_empty() && size.is_none() {
        let whole = rest;
        let name = take(&mut rest, 4)?;
        let length = usize::try_from(little_endian(take(&mut rest, 4)?)?).ok()?;
        let data = take(&mut rest, length)?;
        take(&mut rest, length % 2)?;
        let chunk = &whole[..whole.len() - rest.len()];
        match name {
            b"VP8X" if parts.is_empty() && length == 10 => {
                let three = |at: usize| Some(little_endian(&[data[at], data[at + 1], data[at + 2], 0])? + 1);
                canvas = Some((three(4)?, three(7)?));
                // Of its flags only that there is transparency: nothing else is kept.
                parts.extend_from_slice(&chunk[..8]);
                parts.extend_from_slice(&[data[0] & 0x10, 0, 0, 0]);
                parts.extend_from_slice(&data[4..]);
            }
            b"VP8 " | b"VP8L" => {
                size = Some(if name == b"VP8 " { lossy_size(data)? } else { lossless_size(data)? });
                parts.extend_from_slice(chunk);
            }
            b"ALPH" if canvas.is_some() => parts.extend_from_slice(chunk),
            b"ICCP" | b"EXIF" | b"XMP " => {}
            _ => return None,
        }
    }
    let size = size?;
    if canvas.is_some_and(|canvas| canvas != size) {
        return None;
    }
    let whole = u32::try_from(parts.len() + 4).ok()?.to_le_bytes();
    Some(([b"RIFF".as_slice(), &whole, b"WEBP", &parts].concat(), size))
}

fn lossy_size(data: &[u8]) -> Option<Size> {
    let side = |at: usize| Some(u32::from(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?) & 0x3fff));
    let is_key_frame = data.first()? & 1 == 0 && data.get(3..6)? == [0x9d, 0x01, 0x2a];
    if is_key_frame { Some((side(6)?, side(8)?)) } else { None }
}

fn lossless_size(data: &[u8]) -> Option<Size> {
    let bits = little_endian(data.get(1..5)?)?;
    if data[0] == 0x2f { Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let named = [name.as_slice(), data].concat();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], &named, &checksum(&named).to_be_bytes()].concat()
    }

    fn png_of(width: u32, height: u32, between: &[u8]) -> Vec<u8> {
        let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        let signature = b"\x89PNG\r\n\x1a\n".to_vec();
        [signature, chunk(b"IHDR", &head), between.to_vec(), chunk(b"IDAT", b"pixels"), chunk(b"IEND", b"")].concat()
    }

    fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, data].concat()
    }

    fn jpeg_of(width: u16, height: u16, between: &[u8]) -> Vec<u8> {
        let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
        let scan = [segment(0xda, &[1, 1, 0, 0, 63, 0]), vec![0x12, 0xff, 0, 0x34, 0xff, 0xd0, 0x56]].concat();
        let start = [vec![0xff, 0xd8], segment(0xe0, b"JFIF\0"), between.to_vec()].concat();
        [start, segment(0xc0, &frame), scan, vec![0xff, 0xd9]].concat()
    }

    fn riff(chunks: &[u8]) -> Vec<u8> {
        let length = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
        [b"RIFF".as_slice(), &length, b"WEBP", chunks].concat()
    }

    fn part(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [name.as_slice(), &length, data, &vec![0; data.len() % 2]].concat()
    }

    fn lossless(width: u32, height: u32) -> Vec<u8> {
        let bits = (width - 1) | ((height - 1) << 14);
        part(b"VP8L", &[&[0x2f][..], &bits.to_le_bytes(), b"pixels"].concat())
    }

    fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
        let sides = [width - 1, height - 1].map(|side| side.to_le_bytes());
        part(b"VP8X", &[&[flags, 0, 0, 0][..], &sides[0][..3], &sides[1][..3]].concat())
    }

    #[test]
    fn what_is_written_anew_is_the_picture_and_nothing_else() {
        let secret = b"taken at 24.7136, 46.6753";
        let cases = [
            (Format::Png, png_of(3, 2, &[]), png_of(3, 2, &chunk(b"tEXt", secret))),
            (Format::Png, png_of(3, 2, &[]), png_of(3, 2, &chunk(b"acTL", secret))),
            (Format::Jpeg, jpeg_of(3, 2, &[]), jpeg_of(3, 2, &segment(0xe1, secret))),
            (Format::Jpeg, jpeg_of(3, 2, &[]), jpeg_of(3, 2, &segment(0xfe, secret))),
            (Format::Webp, riff(&lossless(3, 2)), riff(&[lossless(3, 2), part(b"EXIF", secret)].concat())),
        ];
        for (format, plain, carrying) in cases {
            for file in [&plain, &carrying, &[plain.as_slice(), b"<script>alert(1)</script>"].concat()] {
                let image = Image::read(file).unwrap();
                assert_eq!((image.format, &image.bytes), (format, &plain));
            }
        }
        let image =
            Image::read(&riff(&[extended(0x3e, 3, 2), part(b"ICCP", secret), lossless(3, 2)].concat())).unwrap();
        assert_eq!(image.bytes, riff(&[extended(0x10, 3, 2), lossless(3, 2)].concat()));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut forged = png_of(3, 2, &[]);
        forged[17] ^= 1;
        let files = [
            Vec::new(),
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            b"<html>".to_vec(),
            b"GIF89a".to_vec(),
            b"\x89PNG\r\n\x1a\n".to_vec(),
            forged,
            png_of(0, 2, &[]),
            png_of(3, 2, &chunk(b"EVIL", b"")),
            vec![0xff, 0xd8, 0xff, 0xd9],
            jpeg_of(3, 0, &[]),
            jpeg_of(3, 2, &segment(0xc9, b"")),
            riff(&[extended(0, 30, 20), lossless(3, 2)].concat()),
            riff(&[extended(2, 3, 2), part(b"ANIM", b""), lossless(3, 2)].concat()),
            riff(&part(b"VP8 ", b"no key frame")),
            riff(b""),
        ];
        for file in files {
            assert_eq!(Image::read(&file).unwrap_err(), Unfit::Unreadable, "{:?}", String::from_utf8_lossy(&file));
        }
        for whole in [png_of(3, 2, &[]), jpeg_of(3, 2, &[]), riff(&lossless(3, 2))] {
            for end in 0..whole.len() {
                assert_eq!(Image::read(&whole[..end]).unwrap_err(), Unfit::Unreadable, "cut at {end}");
            }
        }
        let (width, height) = (MOST_PIXELS + 1, u16::try_from(MOST_PIXELS + 1).unwrap());
        for large in [png_of(width, 1, &[]), jpeg_of(1, height, &[]), riff(&lossless(width, 1))] {
            assert_eq!(Image::read(&large).unwrap_err(), Unfit::TooManyPixels);
        }
    }
}
