//! Texts to small numbers: a million ids in some tens of megabytes.

use std::hash::{BuildHasher, RandomState};

const FREE: u32 = u32::MAX;

/// A set of texts, each known by the order of its arrival.
pub struct Interner {
    texts: String,
    ends: Vec<u32>,
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Default for Interner {
    fn default() -> Self {
        // The seed changes only where a text lies in the table, never its number.
        Self { texts: String::new(), ends: Vec::new(), slots: vec![FREE; 16], hasher: RandomState::new() }
    }
}

impl Interner {
    /// The number of a text; `None` when 4 GiB of texts are held already.
    pub fn add(&mut self, text: &str) -> Option<u32> {
        let slot = self.slot(text);
        let found = self.slots.get(slot).copied().unwrap_or(FREE);
        if found != FREE {
            return Some(found);
        }
        let end = u32::try_from(self.texts.len().checked_add(text.len())?).ok()?;
        let number = u32::try_from(self.ends.len()).ok().filter(|number| *number != FREE)?;
        self.texts.push_str(text);
        self.ends.push(end);
        if let Some(free) = self.slots.get_mut(slot) {
            *free = number;
        }
        if self.ends.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
        Some(number)
    }
    /// The text of a number; empty when there is none.
    pub fn text(&self, number: u32) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.texts.get(start as usize..end as usize).unwrap_or_default()
    }
    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where a text is or would be.
    fn slot(&self, text: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(text) as usize & mask;
        while let Some(number) = self.slots.get(slot).copied().filter(|number| *number != FREE) {
            if self.text(number) == text {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }
    fn grow(&mut self) {
        self.slots = vec![FREE; self.slots.len() * 2];
        for number in 0..self.ends.len() as u32 {
            let slot = self.slot(self.text(number));
            if let Some(free) = self.slots.get_mut(slot) {
                *free = number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_of_arrival() {
        let mut interner = Interner::default();
        for number in 0..10_000_u32 {
            assert_eq!(interner.add(&format!("id-{number}")), Some(number));
        }
        for number in 0..10_000_u32 {
            assert_eq!(interner.add(&format!("id-{number}")), Some(number));
            assert_eq!(interner.text(number), format!("id-{number}"));
        }
        assert_eq!((interner.add(""), interner.text(10_000), interner.text(77_777)), (Some(10_000), "", ""));
        assert_eq!(interner.len(), 10_001);
    }
}
