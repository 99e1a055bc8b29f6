//! The stores of certificates that Windows keeps in the registry.

#![allow(unsafe_code, reason = "Windows' interfaces are C")]

use std::ffi::c_void;
use std::io::{Error, Result};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::Security::Cryptography::{
    CERT_CONTEXT, CERT_HASH_PROP_ID, CERT_NAME_SIMPLE_DISPLAY_TYPE,
    CERT_STORE_ADD_REPLACE_EXISTING, CERT_STORE_PROV_SYSTEM_W, CERT_SYSTEM_STORE_CURRENT_USER,
    CERT_SYSTEM_STORE_LOCAL_MACHINE, CertAddEncodedCertificateToStore, CertCloseStore,
    CertEnumCertificatesInStore, CertFreeCertificateContext, CertGetCertificateContextProperty,
    CertGetNameStringW, CertOpenStore, HCERTSTORE, X509_ASN_ENCODING,
};
use windows_sys::Win32::System::Registry::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, RegDeleteTreeW};

use crate::windows::wide;

/// Whose store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Everybody's.
    Machine,
    /// The user's own.
    User,
}

/// A certificate of a store, as it is listed.
#[derive(Debug)]
pub struct Entry {
    /// Its subject's common name.
    pub subject: String,
    /// SHA-1 of the certificate in hexadecimal, by which Windows names it.
    pub thumbprint: String,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    handle: HCERTSTORE,
    name: String,
    owner: Owner,
}

impl Store {
    /// Opens a store by its name (`Root`, `CA`, `My`); Windows makes one that is not there.
    ///
    /// # Errors
    /// What Windows answered.
    pub fn open(name: &str, owner: Owner) -> Result<Self> {
        let flags = match owner {
            Owner::Machine => CERT_SYSTEM_STORE_LOCAL_MACHINE,
            Owner::User => CERT_SYSTEM_STORE_CURRENT_USER,
        };
        let wide_name = wide(name);
        // SAFETY: the provider takes a text that ends in zero, which lives during the call.
        let handle = unsafe {
            let name = wide_name.as_ptr().cast::<c_void>();
            CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, name)
        };
        if handle.is_null() {
            return Err(Error::last_os_error());
        }
        Ok(Self {
            handle,
            name: name.to_owned(),
            owner,
        })
    }

    /// Adds a certificate, in place of the same one; its subject.
    ///
    /// # Errors
    /// When the bytes are no certificate or the store cannot be written.
    pub fn add(&self, der: &[u8]) -> Result<String> {
        let length = u32::try_from(der.len()).map_err(Error::other)?;
        let mut added: *mut CERT_CONTEXT = null_mut();
        // SAFETY: the pointer and length are of one slice; the context is written before it is read.
        let done = unsafe {
            CertAddEncodedCertificateToStore(
                self.handle,
                X509_ASN_ENCODING,
                der.as_ptr(),
                length,
                CERT_STORE_ADD_REPLACE_EXISTING,
                &raw mut added,
            )
        };
        if done == 0 {
            return Err(Error::last_os_error());
        }
        let subject = subject(added);
        // SAFETY: the context is ours, from the call above, and used no more.
        unsafe { CertFreeCertificateContext(added) };
        Ok(subject)
    }

    /// Deletes the certificate of this thumbprint; whether there was one.
    ///
    /// Its key is deleted, once the store is closed: Wine's `CertDeleteCertificateFromStore` takes it
    /// out of the open store alone, and closing one writes what was in it.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub fn delete(self, thumbprint: &str) -> Result<bool> {
        let wanted: String = thumbprint.split_whitespace().collect();
        let entries = self.entries();
        let Some(entry) = entries
            .iter()
            .find(|entry| entry.thumbprint.eq_ignore_ascii_case(&wanted))
        else {
            return Ok(false);
        };
        let root = match self.owner {
            Owner::Machine => HKEY_LOCAL_MACHINE,
            Owner::User => HKEY_CURRENT_USER,
        };
        let key = wide(&format!(
            r"Software\Microsoft\SystemCertificates\{}\Certificates\{}",
            self.name,
            entry.thumbprint.to_uppercase()
        ));
        drop(self);
        // SAFETY: the path ends in zero and lives during the call.
        let status = unsafe { RegDeleteTreeW(root, key.as_ptr()) };
        if status != ERROR_SUCCESS {
            return Err(Error::from_raw_os_error(status.cast_signed()));
        }
        Ok(true)
    }

    /// The certificates in it.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.each(|certificate| {
            entries.push(Entry {
                subject: subject(certificate),
                thumbprint: thumbprint(certificate),
            });
        });
        entries
    }

    fn each(&self, mut visit: impl FnMut(*const CERT_CONTEXT)) {
        let mut current = null_mut();
        loop {
            // SAFETY: the context is null or the one that this enumeration gave, which it frees.
            current = unsafe { CertEnumCertificatesInStore(self.handle, current) };
            if current.is_null() {
                return;
            }
            visit(current);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the store is open and closed once.
        unsafe { CertCloseStore(self.handle, 0) };
    }
}

fn subject(certificate: *const CERT_CONTEXT) -> String {
    let mut text = [0; 256];
    // SAFETY: the context is valid, the buffer's length is given.
    let length = unsafe {
        CertGetNameStringW(
            certificate,
            CERT_NAME_SIMPLE_DISPLAY_TYPE,
            0,
            null(),
            text.as_mut_ptr(),
            256,
        )
    };
    // The length counts the zero at the end.
    let length = usize::try_from(length).unwrap_or(0).saturating_sub(1);
    String::from_utf16_lossy(&text[..length.min(text.len())])
}

fn thumbprint(certificate: *const CERT_CONTEXT) -> String {
    let mut digest = [0_u8; 20];
    let mut length = 20;
    // SAFETY: the context is valid, the buffer's length is given.
    let known = unsafe {
        CertGetCertificateContextProperty(
            certificate,
            CERT_HASH_PROP_ID,
            digest.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if known == 0 {
        return String::new();
    }
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
