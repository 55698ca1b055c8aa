//! A file for each poem.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use poetry_client::PoemAddress;
use twistor::prelude::*;

use crate::summary::Saved;

/// Where poems are saved.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, if it is not there.
    pub(crate) fn create(path: PathBuf) -> Result<Self, Box<dyn Error>> {
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(format!("Cannot save poems in {}: {error}", path.display()).into()),
        }
    }

    /// The file of the poem with this index, one of `count`: its number and its address. The number keeps two poems from the same
    /// address apart, and the files in order.
    pub(crate) fn path(&self, index: usize, count: usize, address: &PoemAddress) -> PathBuf {
        let width = count.to_string().len();
        let harmless = |c: char| if c.is_alphanumeric() || c == '.' { c } else { '-' };
        let host: String = address.host().chars().map(harmless).collect();
        self.path.join(format!("{:0width$}-{host}-{}.txt", index + 1, address.port()))
    }

    /// Saves a poem on a thread, since disks are slow and the loop must not wait. The file appears when it is whole; one of the same name is
    /// replaced.
    pub(crate) fn save(&self, reactor: &ReactorHandle, path: PathBuf, poem: Vec<u8>) -> Deferred<Saved> {
        let unfinished = path.with_extension("part");
        reactor.defer_to_thread(move || {
            let written = fs::write(&unfinished, &poem).and_then(|()| fs::rename(&unfinished, &path));
            match written {
                Ok(()) => Ok(Saved::in_file(path, poem)),
                Err(error) => {
                    let _ = fs::remove_file(&unfinished); // It may never have been there.
                    Err(Failure::message(format!("cannot save {}: {error}", path.display())))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(index: usize, count: usize, address: PoemAddress, expect: &str) {
        let folder = Folder { path: PathBuf::from("poems") };
        assert_eq!(folder.path(index, count, &address), PathBuf::from("poems").join(expect));
    }

    #[test]
    fn files_are_named_for_the_address_and_do_not_clash() {
        check(0, 2, PoemAddress::new("localhost", 10001), "1-localhost-10001.txt");
        check(1, 2, PoemAddress::new("localhost", 10001), "2-localhost-10001.txt");
        check(6, 100, PoemAddress::new("10.0.0.1", 80), "007-10.0.0.1-80.txt");
    }

    #[test]
    fn no_address_leads_out_of_the_folder() {
        check(0, 1, PoemAddress::new("../../etc", 80), "1-..-..-etc-80.txt");
        check(0, 1, PoemAddress::new("fe80::1%2", 80), "1-fe80--1-2-80.txt");
    }
}
