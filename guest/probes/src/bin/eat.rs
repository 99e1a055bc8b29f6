//! `eat MEBIBYTES`: takes so much memory, writes to all of it, and says so.

fn main() {
    let wanted = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_usize);
    // A page that is never written to is never charged.
    let eaten: Vec<Vec<u8>> = (0..wanted).map(|_| vec![1; 1 << 20]).collect();
    println!("ate {} MiB", eaten.len());
}
