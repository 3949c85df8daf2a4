//! Groups and namespaces: who owns them, what is in them (datastore specification 2, 3).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::Store;
use super::disk::{is_missing, read_file, remnants};
use super::layout::{Layout, TYPES};
use crate::store::{Group, GroupInfo, Namespace};

/// Notes are read up to here.
const LONGEST_NOTES: u64 = 1 << 20;

/// Longest name of a namespace that a server makes.
const LONGEST_COMPONENT: usize = 32;

/// The namespace and all below it, outermost first.
pub(super) fn namespaces(layout: &Layout, below: &Namespace) -> anyhow::Result<Vec<Namespace>> {
    check_exists(layout, below)?;
    let mut all = Vec::new();
    let mut todo = vec![below.clone()];
    while let Some(namespace) = todo.pop() {
        let mut children: Vec<Namespace> = names(&layout.namespace(&namespace).join("ns"))?
            .iter()
            .filter_map(|name| namespace.child(name).ok())
            .collect();
        children.sort_unstable_by(|a, b| b.cmp(a));
        all.push(namespace);
        todo.append(&mut children);
    }
    Ok(all)
}

fn check_exists(layout: &Layout, namespace: &Namespace) -> anyhow::Result<()> {
    let path = layout.namespace(namespace);
    if !path.is_dir() {
        bail!("there is no namespace `{namespace}` in {}", layout.root.display());
    }
    Ok(())
}

/// Makes a namespace in one that exists.
pub(super) fn create_namespace(store: &Store, namespace: &Namespace) -> anyhow::Result<()> {
    let Some((name, around)) = namespace.components().split_last() else {
        bail!("the root is a namespace already");
    };
    if name.len() > LONGEST_COMPONENT {
        bail!(
            "`{name}` is too long: a server takes names of namespaces with at most {LONGEST_COMPONENT} characters"
        );
    }
    let around: Namespace = around.join("/").parse()?;
    check_exists(&store.layout, &around)?;
    let path = store.layout.namespace(namespace);
    let all = [store.layout.namespace(&around).join("ns"), path];
    for path in all {
        store.disk.ensure_dir(&path, 0o755).with_context(|| format!("cannot make {}", path.display()))?;
    }
    Ok(())
}

/// The names of the directories in a directory, if it exists; names that are no text are left out.
pub(super) fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let what = || format!("cannot list {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        result => result.with_context(what)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(what)?;
        let is_directory = match entry.file_type() {
            Err(error) if is_missing(&error) => false,
            result => result.with_context(what)?.is_dir(),
        };
        if is_directory && let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// All groups of a namespace in their order, also those that nobody owns.
pub(super) fn all(layout: &Layout, namespace: &Namespace) -> anyhow::Result<Vec<Group>> {
    check_exists(layout, namespace)?;
    let mut groups = Vec::new();
    for backup_type in TYPES {
        let directory = layout.namespace(namespace).join(backup_type.word());
        groups.extend(names(&directory)?.iter().filter_map(|id| Group::new(backup_type, id).ok()));
    }
    groups.sort();
    Ok(groups)
}

/// The groups of a namespace that have an owner.
pub(super) fn list(layout: &Layout, namespace: &Namespace) -> anyhow::Result<Vec<GroupInfo>> {
    let describe = |group: Group| {
        let directory = layout.group(namespace, &group);
        let owner = owner(&directory).ok().flatten()?;
        let comment = notes(&directory).ok().flatten();
        let comment = comment.and_then(|notes| notes.lines().next().map(str::to_owned));
        Some(GroupInfo { group, owner, comment })
    };
    Ok(all(layout, namespace)?.into_iter().filter_map(describe).collect())
}

fn owner_path(group: &Path) -> PathBuf {
    group.join("owner")
}

/// Whom a group belongs to: `Ok(None)` if the file says nothing that could be a user.
pub(super) fn owner(group: &Path) -> io::Result<Option<String>> {
    let text = read_file(&owner_path(group), LONGEST_NOTES)?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("").trim_end();
    Ok(is_auth_id(line).then(|| line.to_owned()))
}

/// `user@realm` or `user@realm!token`.
fn is_auth_id(text: &str) -> bool {
    let Some((user, rest)) = text.rsplit_once('@') else { return false };
    let (realm, token) = rest.split_once('!').map_or((rest, None), |(realm, token)| (realm, Some(token)));
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b'/' | b'@'))
    };
    is_plain(user) && is_plain(realm) && token.is_none_or(is_plain)
}

/// Notes of a group, if there are any.
pub(super) fn notes(group: &Path) -> io::Result<Option<String>> {
    match read_file(&group.join("notes"), LONGEST_NOTES) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Store {
    /// Makes the directories of a group and its owner unless they are there; which directories have new names in them.
    ///
    /// # Errors
    /// The group belongs to somebody else.
    pub(super) fn ensure_group(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<Vec<PathBuf>> {
        check_exists(&self.layout, namespace)?;
        let directory = self.layout.group(namespace, group);
        let mut changed = Vec::new();
        for path in [directory.parent().unwrap_or(&directory), &directory] {
            if self.disk.ensure_dir(path, 0o755).with_context(|| format!("cannot make {}", path.display()))? {
                changed.extend(path.parent().map(Path::to_owned));
            }
        }
        let file = owner_path(&directory);
        let found = match owner(&directory) {
            Err(error) if is_missing(&error) => {
                let text = format!("{}\n", self.auth_id);
                if let Err(error) = self.disk.replace(&file, text.as_bytes(), false) {
                    // A group that nobody owns would be hidden. If it is not empty, it is not ours.
                    let _ = fs::remove_dir(&directory);
                    return Err(error).with_context(|| format!("cannot write {}", file.display()));
                }
                changed.push(directory);
                return Ok(changed);
            }
            result => result.with_context(|| format!("cannot read {}", file.display()))?,
        };
        match found {
            Some(owner) if owner == self.auth_id => Ok(changed),
            Some(owner) => bail!("the group {group} belongs to {owner}, not to {}", self.auth_id),
            None => bail!("{} names no user: the group {group} belongs to nobody", file.display()),
        }
    }

    /// Gives a group to another user or token.
    pub(super) fn change_owner(
        &self,
        namespace: &Namespace,
        group: &Group,
        owner: &str,
    ) -> anyhow::Result<()> {
        let directory = self.layout.group(namespace, group);
        if !directory.is_dir() {
            bail!("there is no group {group} in {}", self.place(namespace));
        }
        if !is_auth_id(owner) {
            bail!("`{owner}` is no user: expected USER@REALM, or USER@REALM!TOKEN");
        }
        let _lock = self.locks.group(namespace, group, &directory)?;
        let file = owner_path(&directory);
        let written = self.disk.replace(&file, format!("{owner}\n").as_bytes(), false);
        written.with_context(|| format!("cannot write {}", file.display()))
    }

    /// Removes a group that has no snapshot, with what belongs to it; whether it did.
    pub(super) fn remove_empty_group(&self, namespace: &Namespace, group: &Group) -> anyhow::Result<bool> {
        let directory = self.layout.group(namespace, group);
        if !super::snapshot::times(&directory)?.is_empty() {
            return Ok(false);
        }
        let what = |path: &Path| format!("cannot remove {}", path.display());
        for name in ["notes", "owner"] {
            let path = directory.join(name);
            for path in remnants(&path).with_context(|| what(&path))?.into_iter().chain([path]) {
                match self.disk.remove_file(&path) {
                    Err(error) if is_missing(&error) => {}
                    result => result.with_context(|| what(&path))?,
                }
            }
        }
        self.disk.remove_dir(&directory).with_context(|| what(&directory))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_users_or_tokens() {
        for good in ["root@pam", "test@pbs!tok", "a.b-c@x"] {
            assert!(is_auth_id(good), "{good}");
        }
        for bad in ["", "root", "@pam", "root@", "a b@pam", "root@pam!", "x@y!a/b"] {
            assert!(!is_auth_id(bad), "{bad}");
        }
    }

    #[test]
    fn owners_are_read_as_the_server_does() {
        let temp = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            fs::write(temp.path().join("owner"), text).unwrap();
            owner(temp.path()).unwrap()
        };
        for good in ["root@pam\n", "root@pam", "root@pam \r\n", "root@pam\nmore"] {
            assert_eq!(read(good).as_deref(), Some("root@pam"), "{good:?}");
        }
        assert_eq!(read("\nroot@pam"), None);
        assert_eq!(read(""), None);
    }
}
