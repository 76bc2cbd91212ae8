//! Work on all cores.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// What is less is done before another core has heard of it.
const ITEMS_MIN: usize = 256;

/// Maps every item, in order; on all cores where they are many.
pub fn map<T: Send, U: Send>(items: Vec<T>, f: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    if items.len() < ITEMS_MIN { items.into_iter().map(f).collect() } else { items.into_par_iter().map(f).collect() }
}

/// Frees what is large without waiting for it.
pub fn discard<T: Send + 'static>(large: T) {
    rayon::spawn(move || drop(large));
}

#[cfg(test)]
mod tests {
    #[test]
    fn few_and_many_keep_their_order() {
        for n in [0, 1, super::ITEMS_MIN, 10 * super::ITEMS_MIN] {
            assert!(super::map((0..n).collect(), |i| 2 * i).into_iter().eq((0..n).map(|i| 2 * i)), "{n}");
        }
    }
}
