//! Takes debug data out of PE files.
//!
//! Debian ships Wine's PE files with DWARF sections and a COFF symbol table, three quarters of
//! their size. Both stand at the end and are not loaded, so a file is cut where they begin; what is
//! left keeps its bytes, Wine's mark of a builtin module in the DOS stub among them.

use std::borrow::Cow;

use crate::error::{Error, Result};

const SECTION_HEADER: usize = 40;
const SECTION_NAME: usize = 8;
/// `IMAGE_FILE_LINE_NUMS_STRIPPED | IMAGE_FILE_LOCAL_SYMS_STRIPPED | IMAGE_FILE_DEBUG_STRIPPED`.
const STRIPPED: u16 = 0x0004 | 0x0008 | 0x0200;

/// Offsets of the fields that change, found by [`Layout::read`].
struct Layout {
    coff: usize,
    optional: usize,
    sections: usize,
    section_count: usize,
    strings: usize,
}

/// The section headers that stay.
#[derive(Default)]
struct Kept {
    count: usize,
    /// Where the last one's content ends in the file.
    file_end: usize,
    /// Where the last one ends in memory.
    image_end: u32,
}

/// The file without debug data; unchanged when it is no PE file or has none. `name` is for errors.
pub(crate) fn strip<'a>(name: &str, file: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    if !file.starts_with(b"MZ") || is_16_bit(file) {
        return Ok(Cow::Borrowed(file));
    }
    stripped(file)
        .map(Cow::Owned)
        .map_err(|problem| Error::malformed("strip PE file", name, problem))
}

/// Whether it is of the older form of executable, as bitmap fonts are.
fn is_16_bit(file: &[u8]) -> bool {
    let header = u32_at(file, 0x3c).map(index).unwrap_or_default();
    file.get(header..)
        .is_some_and(|header| header.starts_with(b"NE"))
}

fn stripped(file: &[u8]) -> Result<Vec<u8>, &'static str> {
    let layout = Layout::read(file)?;
    let mut headers = file
        .get(..layout.sections_end())
        .ok_or("the headers are cut off")?
        .to_vec();
    let kept = keep_sections(file, &layout, &mut headers)?;
    let end = kept.file_end.max(headers.len());
    headers.extend_from_slice(file.get(headers.len()..end).ok_or("a section is cut off")?);
    let mut output = headers;
    let alignment = u32_at(file, layout.optional + 32)?;
    let size_of_image = kept
        .image_end
        .checked_next_multiple_of(alignment.max(1))
        .ok_or("too large")?;
    let count = u16::try_from(kept.count).map_err(|_| "too many sections")?;
    let flags = u16_at(file, layout.coff + 18)? | STRIPPED;
    put(&mut output, layout.coff + 2, &count.to_le_bytes());
    put(&mut output, layout.coff + 8, &[0; 8]);
    put(&mut output, layout.coff + 18, &flags.to_le_bytes());
    put(
        &mut output,
        layout.optional + 56,
        &size_of_image.to_le_bytes(),
    );
    put(&mut output, layout.optional + 64, &[0; 4]);
    let checksum = checksum(&output);
    put(&mut output, layout.optional + 64, &checksum.to_le_bytes());
    Ok(output)
}

impl Layout {
    fn read(file: &[u8]) -> Result<Self, &'static str> {
        let signature = index(u32_at(file, 0x3c)?);
        if file.get(signature..signature + 4) != Some(b"PE\0\0") {
            return Err("there is no PE header");
        }
        let coff = signature + 4;
        let optional = coff + 20;
        let optional_size = usize::from(u16_at(file, coff + 16)?);
        if optional_size < 68 {
            return Err("the optional header is too small");
        }
        let symbols = index(u32_at(file, coff + 8)?);
        let symbol_count = index(u32_at(file, coff + 12)?);
        Ok(Self {
            coff,
            optional,
            sections: optional + optional_size,
            section_count: usize::from(u16_at(file, coff + 2)?),
            strings: symbols.saturating_add(symbol_count.saturating_mul(18)),
        })
    }

    fn sections_end(&self) -> usize {
        self.sections + self.section_count * SECTION_HEADER
    }
}

/// Removes the headers of debug sections, which must be the last ones, and shortens the names of
/// the others, since long names stand in the string table that goes.
fn keep_sections(file: &[u8], layout: &Layout, headers: &mut [u8]) -> Result<Kept, &'static str> {
    let mut kept = Kept::default();
    for number in 0..layout.section_count {
        let offset = layout.sections + number * SECTION_HEADER;
        let name = section_name(file, layout, offset)?;
        if name.starts_with(b".debug") {
            headers[offset..offset + SECTION_HEADER].fill(0);
            continue;
        }
        if kept.count != number {
            return Err("a section follows debug data");
        }
        let mut short = [0; SECTION_NAME];
        let length = name.len().min(SECTION_NAME);
        short[..length].copy_from_slice(&name[..length]);
        put(headers, offset, &short);
        let content = index(u32_at(file, offset + 16)?);
        if content != 0 {
            let end = index(u32_at(file, offset + 20)?).saturating_add(content);
            kept.file_end = kept.file_end.max(end);
        }
        let image_end = u32_at(file, offset + 12)?.saturating_add(u32_at(file, offset + 8)?);
        kept.image_end = kept.image_end.max(image_end);
        kept.count += 1;
    }
    Ok(kept)
}

/// A section's name: in its header, or `/` and an offset into the string table.
fn section_name<'a>(
    file: &'a [u8],
    layout: &Layout,
    offset: usize,
) -> Result<&'a [u8], &'static str> {
    let short = file
        .get(offset..offset + SECTION_NAME)
        .ok_or("the headers are cut off")?;
    let name = match short.strip_prefix(b"/") {
        None => short,
        Some(digits) => {
            let digits = std::str::from_utf8(digits).map_err(|_| "bad section name")?;
            let place: usize = digits
                .trim_end_matches('\0')
                .parse()
                .map_err(|_| "bad section name")?;
            let start = layout
                .strings
                .checked_add(place)
                .ok_or("bad section name")?;
            file.get(start..).ok_or("the string table is cut off")?
        }
    };
    let length = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    Ok(&name[..length])
}

/// The checksum of the optional header: a ones' complement sum over 16-bit words, plus the size.
/// Its own field counts as 0, which it is when this is called.
fn checksum(file: &[u8]) -> u32 {
    let mut sum: u32 = 0;
    for word in file.chunks(2) {
        let high = word.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_le_bytes([word[0], high]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum.wrapping_add(u32::try_from(file.len()).unwrap_or(u32::MAX))
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn u16_at(file: &[u8], offset: usize) -> Result<u16, &'static str> {
    let bytes = file
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .ok_or("the headers are cut off")?;
    Ok(u16::from_le_bytes(*bytes))
}

fn u32_at(file: &[u8], offset: usize) -> Result<u32, &'static str> {
    let bytes = file
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .ok_or("the headers are cut off")?;
    Ok(u32::from_le_bytes(*bytes))
}

fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use object::read::pe::PeFile64;
    use object::{Object, ObjectSection};

    use super::*;

    /// A PE file with the sections `names`, each of one page whose bytes are its number.
    fn pe(names: &[&str]) -> Vec<u8> {
        let (mut strings, mut file) = (vec![0; 4], vec![0; 0x1000]);
        let (coff, optional) = (0x84, 0x98);
        let sections = optional + 240;
        put(&mut file, 0, b"MZ");
        put(&mut file, 0x3c, &0x80u32.to_le_bytes());
        put(&mut file, 0x40, b"Wine builtin DLL");
        put(&mut file, 0x80, b"PE\0\0");
        put(&mut file, coff, &0x8664u16.to_le_bytes());
        put(
            &mut file,
            coff + 2,
            &u16::try_from(names.len()).unwrap().to_le_bytes(),
        );
        put(&mut file, coff + 16, &240u16.to_le_bytes());
        put(&mut file, optional, &0x20bu16.to_le_bytes());
        put(&mut file, optional + 32, &0x1000u32.to_le_bytes());
        put(&mut file, optional + 36, &0x1000u32.to_le_bytes());
        put(&mut file, optional + 108, &16u32.to_le_bytes());
        for (number, name) in names.iter().enumerate() {
            let header = sections + number * SECTION_HEADER;
            let short = if name.len() > 8 {
                let place = strings.len();
                strings.extend_from_slice(name.as_bytes());
                strings.push(0);
                format!("/{place}")
            } else {
                (*name).to_owned()
            };
            put(&mut file, header, short.as_bytes());
            let start = u32::try_from(0x1000 * (number + 1)).unwrap();
            for (field, value) in [(8, 0x1000), (12, start), (16, 0x1000), (20, start)] {
                put(&mut file, header + field, &value.to_le_bytes());
            }
            file.extend(std::iter::repeat_n(u8::try_from(number).unwrap(), 0x1000));
        }
        let symbols = u32::try_from(file.len()).unwrap();
        put(&mut file, coff + 8, &symbols.to_le_bytes());
        file.extend(strings);
        file
    }

    #[test]
    fn debug_sections_and_symbols_go() {
        let file = pe(&[".text", ".eh_frame", ".debug_info", ".debug_line"]);
        let output = strip("x.dll", &file).unwrap();
        assert_eq!(output.len(), 0x3000);
        assert_eq!(&output[0x40..0x50], b"Wine builtin DLL");
        let parsed = PeFile64::parse(&*output).unwrap();
        let names: Vec<_> = parsed
            .sections()
            .map(|section| section.name().unwrap().to_owned())
            .collect();
        assert_eq!(names, [".text", ".eh_fram"]);
        let section = parsed.sections().nth(1).unwrap();
        assert!(section.data().unwrap().iter().all(|byte| *byte == 1));
        assert_eq!(
            parsed
                .nt_headers()
                .optional_header
                .size_of_image
                .get(object::LittleEndian),
            0x3000
        );
        assert_eq!(
            strip("x.dll", &output).unwrap(),
            output,
            "a second time changes nothing"
        );
    }

    #[test]
    fn other_files_stay() {
        assert_eq!(&*strip("x.nls", b"whatever").unwrap(), b"whatever");
        let mut font = vec![0; 0x100];
        put(&mut font, 0, b"MZ");
        put(&mut font, 0x3c, &0x80u32.to_le_bytes());
        put(&mut font, 0x80, b"NE");
        assert_eq!(&*strip("x.fon", &font).unwrap(), font);
    }

    #[test]
    fn malformed_files_are_refused() {
        assert!(strip("x", &pe(&[".text", ".debug_info", ".reloc"])).is_err());
        let whole = pe(&[".text", ".debug_info"]);
        for length in (2..0x2000).step_by(7) {
            assert!(strip("x", &whole[..length]).is_err(), "{length}");
        }
        for offset in 0x80..0x200 {
            let mut damaged = whole.clone();
            damaged[offset] ^= 0xff;
            let _ = strip("x", &damaged);
        }
    }
}
