//! `memory`: prints the machine's memory in bytes as each source has it, one `name=number` a line.
//! `memory sysinfo ADDRESS`: asks the host's kernel to tell it there, and prints what it returns.
//! `memory hammer`: asks it without end, from several threads, where nothing can be written.
#![allow(unsafe_code)] // Asks for the memory, also past Windows.

use std::arch::asm;
use std::ptr;

use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SYSTEM_INFORMATION_CLASS, SystemBasicInformation,
    SystemPerformanceInformation,
};
use windows_sys::Win32::System::SystemInformation::{
    GetPhysicallyInstalledSystemMemory, GlobalMemoryStatusEx, MEMORYSTATUSEX,
};

/// `sysinfo` among Linux's system calls.
const SYSINFO: i64 = 99;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["sysinfo", address] => println!("{}", sysinfo(address.parse().unwrap_or(0))),
        ["hammer"] => hammer(),
        _ => report(),
    }
}

fn report() {
    let mut status = MEMORYSTATUSEX {
        dwLength: size_of::<MEMORYSTATUSEX>() as u32,
        ..MEMORYSTATUSEX::default()
    };
    // SAFETY: the structure states its length.
    unsafe { GlobalMemoryStatusEx(&raw mut status) };
    let mut kibibytes = 0;
    // SAFETY: the number is writable.
    unsafe { GetPhysicallyInstalledSystemMemory(&raw mut kibibytes) };
    println!("total={}", status.ullTotalPhys);
    println!("available={}", status.ullAvailPhys);
    println!("load={}", status.dwMemoryLoad);
    println!("page_file={}", status.ullTotalPageFile);
    println!("installed={}", kibibytes * 1024);
    // NumberOfPhysicalPages of the one, AvailablePages of the other, in pages of 4 KiB.
    println!("basic={}", word(SystemBasicInformation, 3) << 12);
    println!(
        "performance={}",
        word(SystemPerformanceInformation, 11) << 12
    );
}

/// A 32-bit word of what the system tells of this kind.
fn word(class: SYSTEM_INFORMATION_CLASS, index: usize) -> u64 {
    let mut words = [0_u32; 128];
    let mut length = 0;
    // A structure of this kind has to be asked for in its exact size, which the first try tells.
    for _ in 0..2 {
        // SAFETY: the buffer has at least the stated length, whatever was returned.
        unsafe {
            NtQuerySystemInformation(
                class,
                words.as_mut_ptr().cast(),
                length.min(512),
                &raw mut length,
            )
        };
    }
    words[index].into()
}

fn sysinfo(address: u64) -> i64 {
    let result: i64;
    // SAFETY: a system call of the host's kernel, which writes to the address or says that it
    // cannot; whoever gives one that is in use has asked for the consequences.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") SYSINFO => result,
            in("rdi") address,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

fn hammer() {
    println!("hammering");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                loop {
                    sysinfo(ptr::null::<u8>().addr() as u64);
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
}
