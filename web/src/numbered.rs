//! Things by number: as fast as a tree for the few that there are, and much less program for every type of them, which browsers have to download.

/// Things by number, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Numbered<T>(Vec<(u32, T)>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Numbered<T> {
    fn find(&self, number: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |one| one.0)
    }

    /// The thing of that number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.find(number).ok().map(|at| &self.0[at].1)
    }

    /// Puts a thing in, for the one that has its number.
    pub fn insert(&mut self, number: u32, thing: T) {
        match self.find(number) {
            Ok(at) => self.0[at].1 = thing,
            Err(at) => self.0.insert(at, (number, thing)),
        }
    }

    /// Takes a thing out.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        self.find(number).ok().map(|at| self.0.remove(at).1)
    }

    /// Keeps only some.
    pub fn retain(&mut self, mut is_kept: impl FnMut(u32, &T) -> bool) {
        self.0.retain(|(number, thing)| is_kept(*number, thing));
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.0.iter().map(|(number, thing)| (*number, thing))
    }

    /// All of them with their numbers, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.0.iter_mut().map(|(number, thing)| (*number, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_stay_in_the_order_of_their_numbers() {
        let mut things = Numbered::default();
        for number in [5, 1, 9, 3, 5] {
            things.insert(number, number * 10);
        }
        assert_eq!(things.count(), 4);
        assert!(things.iter().map(|(number, _)| number).eq([1, 3, 5, 9]));
        assert_eq!((things.remove(3), things.remove(3), things.get(5)), (Some(30), None, Some(&50)));
        things.iter_mut().for_each(|(number, thing)| *thing += number);
        things.retain(|number, thing| number != 9 && *thing > 0);
        assert!(things.iter().map(|(_, thing)| *thing).eq([11, 55]));
        things.clear();
        assert_eq!(things.count(), 0);
    }
}
