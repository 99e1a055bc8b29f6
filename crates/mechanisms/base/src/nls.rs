//! Makes UTF-8 the code page of a locale.
//!
//! Wine takes the ANSI and OEM code pages from the system locale's entry in `locale.nls`, not from
//! the registry, so that is where they are set.

use crate::error::{Error, Result};

/// The code page number of UTF-8.
pub(crate) const UTF_8: u16 = 65001;

/// Where the file's header has the offset of the locale tables.
const TABLES: usize = 0x10;
/// Fields of the locale tables' header.
const LCID_COUNT: usize = 0x1e;
const LOCALE_SIZE: usize = 0x22;
const LOCALES: usize = 0x24;
const LCIDS: usize = 0x2c;
/// Fields of a locale.
const ANSI_CODE_PAGE: usize = 0x6e;
const OEM_CODE_PAGE: usize = 0x70;

/// The content of `locale.nls` with UTF-8 as both code pages of the locale `lcid`.
pub(crate) fn set_utf8(mut file: Vec<u8>, lcid: u32) -> Result<Vec<u8>> {
    let locale = find_locale(&file, lcid).ok_or_else(|| {
        Error::malformed("set code page in", "locale.nls", "it has no such locale")
    })?;
    for field in [ANSI_CODE_PAGE, OEM_CODE_PAGE] {
        let bytes = file
            .get_mut(locale + field..locale + field + 2)
            .ok_or_else(|| Error::malformed("set code page in", "locale.nls", "it is cut off"))?;
        bytes.copy_from_slice(&UTF_8.to_le_bytes());
    }
    Ok(file)
}

fn find_locale(file: &[u8], lcid: u32) -> Option<usize> {
    let tables = u32_at(file, TABLES)?;
    let count = u16_at(file, tables + LCID_COUNT)?;
    let lcids = tables + u32_at(file, tables + LCIDS)?;
    let entry = (0..count)
        .map(|number| lcids + 8 * number)
        .find(|entry| u32_at(file, *entry) == usize::try_from(lcid).ok())?;
    let index = u16_at(file, entry + 4)?;
    Some(tables + u32_at(file, tables + LOCALES)? + index * u16_at(file, tables + LOCALE_SIZE)?)
}

fn u16_at(file: &[u8], offset: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*file.get(offset..)?.first_chunk()?).into())
}

fn u32_at(file: &[u8], offset: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*file.get(offset..)?.first_chunk()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn file() -> Vec<u8> {
        let mut file = vec![0; 0x300];
        put(&mut file, TABLES, &0x20u32.to_le_bytes());
        put(&mut file, 0x20 + LCID_COUNT, &2u16.to_le_bytes());
        put(&mut file, 0x20 + LOCALE_SIZE, &0x80u16.to_le_bytes());
        put(&mut file, 0x20 + LOCALES, &0x100u32.to_le_bytes());
        put(&mut file, 0x20 + LCIDS, &0x60u32.to_le_bytes());
        put(&mut file, 0x80, &0x0407u32.to_le_bytes());
        put(&mut file, 0x88, &0x0409u32.to_le_bytes());
        put(&mut file, 0x8c, &1u16.to_le_bytes());
        file
    }

    #[test]
    fn changes_the_one_locale() {
        let old = file();
        let new = set_utf8(old.clone(), 0x0409).unwrap();
        let changed: Vec<_> = (0..old.len())
            .filter(|place| old[*place] != new[*place])
            .collect();
        let locale = 0x120 + 0x80;
        assert_eq!(
            changed,
            [locale + 0x6e, locale + 0x6f, locale + 0x70, locale + 0x71]
        );
        assert_eq!(u16_at(&new, locale + 0x6e), Some(65001));
    }

    #[test]
    fn refuses_what_it_does_not_find() {
        assert!(set_utf8(file(), 0x0404).is_err());
        for length in 0..0x220 {
            assert!(
                set_utf8(file()[..length.min(0x200)].to_vec(), 0x0409).is_err() || length >= 0x200,
                "{length}"
            );
        }
    }
}
