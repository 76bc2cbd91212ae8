//! Record ids: 15 characters that depend on case, or 18 that do not. One message may mix both.
//! <https://help.salesforce.com/s/articleView?id=000385585&type=1>

/// The alphabet of the checksum.
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The 18 characters of an id. A given 18 are kept as they are, a wrong checksum included:
/// records that were masked for support have one. `None`: not an id.
pub fn long(id: &str) -> Option<String> {
    let id = id.trim();
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match id.len() {
        18 => Some(id.to_owned()),
        15 => Some(id.chars().chain(id.as_bytes().chunks(5).filter_map(checksum)).collect()),
        _ => None,
    }
}

/// One bit for every upper-case letter of a block, the first letter's the lowest.
fn checksum(block: &[u8]) -> Option<char> {
    let upper = |(bit, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << bit;
    let index: usize = block.iter().enumerate().map(upper).sum();
    CHECKSUM.get(index).map(|byte| char::from(*byte))
}
