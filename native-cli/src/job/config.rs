//! The configuration file: repositories, and jobs that back up into them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use clap::{Args as _, Command, CommandFactory as _, Parser as _};
use toml::{Table, Value};

use super::options;
use crate::cli::{self, Cli, RepositoryArgs};
use crate::cmd::backup::Spec;
use crate::pace::Cores;
use crate::store::locate;

/// What runs by itself decides these; a configuration that set them would have no effect, or a bad one.
const RESERVED: &[&str] = &["repository", "json", "quiet", "verbose", "dry-run", "backup-time", "all"];

/// Largest configuration, in bytes.
const MOST: u64 = 1 << 20;

/// What a configuration file says, checked as far as can be without running anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The jobs in the order of the file.
    pub jobs: Vec<Job>,
}

/// Where a job's snapshots go: arguments and environment of every command that goes there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repository {
    /// Options such as `--repository=…`.
    pub arguments: Vec<OsString>,
    /// Variables that tell where secrets are, never what they are.
    pub environment: BTreeMap<&'static str, String>,
}

/// What is backed up, where to, and what is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Where to.
    pub repository: Repository,
    /// `NAME.pxar:DIRECTORY` and the like.
    pub sources: Vec<String>,
    /// Options of `pxkit backup`.
    pub arguments: Vec<OsString>,
    /// The group, for pruning; `None` is that of this host.
    pub group: (String, Option<String>),
    /// Rules of `pxkit prune`; nothing is removed if there are none.
    pub keep: Vec<OsString>,
    /// What is added to the niceness, 0 to 19.
    pub nice: u8,
    /// Variables that tell where the passphrase of the key is.
    pub environment: BTreeMap<&'static str, String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is not TOML, or says what no command understands: with the file, and the line or the key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display();
        let meta = fs::metadata(path).with_context(|| format!("cannot read the configuration {file}"))?;
        ensure!(meta.len() <= MOST, "the configuration {file} is larger than 1 MiB");
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the configuration {file}"))?;
        Self::parse(&text).with_context(|| format!("in the configuration {file}"))
    }

    /// Gives all jobs this limit of processor time, whatever they say themselves.
    pub fn limit_cpu(&mut self, limit: Cores) {
        for job in &mut self.jobs {
            job.arguments.retain(|argument| !is_limit(argument));
            job.arguments.push(format!("--limit-cpu={limit}").into());
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut top: Table = text
            .parse()
            .map_err(|error: toml::de::Error| anyhow::anyhow!("{}", error.to_string().trim_end()))?;
        let repositories = tables(&mut top, "repository")?;
        let jobs = tables(&mut top, "job")?;
        if let Some(key) = top.keys().next() {
            bail!("unknown key {key}; expected tables [repository.NAME] and [job.NAME]");
        }
        let mut known = BTreeMap::new();
        for (name, table) in repositories {
            let repository = repository(table).with_context(|| format!("[repository.{name}]"))?;
            known.insert(name, repository);
        }
        let command = Cli::command();
        let read = |(name, table): (String, Table)| {
            let context = format!("[job.{name}]");
            job(&command, name, table, &known).context(context)
        };
        Ok(Self { jobs: jobs.into_iter().map(read).collect::<anyhow::Result<_>>()? })
    }

    /// The job of this name.
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name == name)
    }
}

/// The tables `[KIND.NAME]`.
fn tables(top: &mut Table, kind: &str) -> anyhow::Result<Vec<(String, Table)>> {
    let Some(value) = top.remove(kind) else { return Ok(Vec::new()) };
    let Value::Table(all) = value else { bail!("{kind} is not a table: write [{kind}.NAME]") };
    let table = |(name, value): (String, Value)| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ensure!(
            !name.is_empty() && name.len() <= 64 && name.bytes().all(is_word),
            "the name of a {kind} has letters, digits, '-' and '_', and not {name:?}"
        );
        match value {
            Value::Table(table) => Ok((name, table)),
            _ => bail!("{kind}.{name} is not a table: write [{kind}.{name}]"),
        }
    };
    all.into_iter().map(table).collect()
}

fn repository(mut table: Table) -> anyhow::Result<Repository> {
    let command = RepositoryArgs::augment_args(Command::new("backup"));
    let mut repository = Repository::default();
    if let Some(location) = text(&mut table, "location")? {
        repository.arguments.push(format!("--repository={location}").into());
    }
    if let Some(namespace) = text(&mut table, "namespace")? {
        repository.arguments.push(format!("--ns={namespace}").into());
    }
    secret(&mut table, "password", ["PBS_PASSWORD_FILE", "PBS_PASSWORD_CMD"], &mut repository.environment)?;
    for (key, value) in &table {
        ensure!(!RESERVED.contains(&key.as_str()) && key != "ns", "unknown key {key}");
        let known =
            "expected location, namespace, password-file, password-command, or an option of repositories";
        ensure!(options::has(&command, key), "unknown key {key}; {known}");
        repository.arguments.extend(options::arguments(&command, key, value)?);
    }
    ensure!(!repository.arguments.is_empty(), "location is missing: a directory, or USER@HOST:DATASTORE");
    Ok(repository)
}

fn job(
    cli: &Command,
    name: String,
    mut table: Table,
    known: &BTreeMap<String, Repository>,
) -> anyhow::Result<Job> {
    let backup = cli.find_subcommand("backup").context("there is no command backup")?;
    let prune = cli.find_subcommand("prune").context("there is no command prune")?;
    let target =
        text(&mut table, "repository")?.context("repository is missing: the NAME of a [repository.NAME]")?;
    let names = || known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let repository = known.get(&target).cloned();
    let repository =
        repository.with_context(|| format!("there is no [repository.{target}], but: {}", names()))?;
    let sources = sources(&mut table)?;
    let kind = text_of(table.get("backup-type"), "backup-type")?.unwrap_or_else(|| "host".into());
    let group = (kind, text_of(table.get("backup-id"), "backup-id")?);
    let keep = match table.remove("keep") {
        None => Vec::new(),
        Some(Value::Table(rules)) => keep(prune, &rules).context("keep")?,
        Some(_) => bail!("keep is a table, such as {{ last = 3, daily = 7 }}"),
    };
    let nice = match table.remove("nice") {
        None => 0,
        Some(value) => value
            .as_integer()
            .and_then(|nice| u8::try_from(nice).ok())
            .filter(|nice| *nice <= 19)
            .context("nice is a number from 0 to 19")?,
    };
    let mut environment = BTreeMap::new();
    let variables = ["PBS_ENCRYPTION_PASSWORD_FILE", "PBS_ENCRYPTION_PASSWORD_CMD"];
    secret(&mut table, "encryption-password", variables, &mut environment)?;
    let mut arguments = Vec::new();
    for (key, value) in &table {
        ensure!(!RESERVED.contains(&key.as_str()), "{key} cannot be set for a job");
        arguments.extend(options::arguments(backup, key, value)?);
    }
    let job = Job { name, repository, sources, arguments, group, keep, nice, environment };
    // What the values are, the commands know: a mistake is told now, and not at night.
    job.check(cli)?;
    Ok(job)
}

/// Whether an argument of a backup is that of all steps which limits processor time.
fn is_limit(argument: &OsString) -> bool {
    argument.as_encoded_bytes().starts_with(b"--limit-cpu=")
}

impl Job {
    /// The arguments of the backup, but for how it talks.
    pub fn backup(&self) -> Vec<OsString> {
        let mut all = vec!["backup".into()];
        all.extend(self.repository.arguments.iter().cloned());
        all.extend(self.arguments.iter().cloned());
        all.push("--".into());
        all.extend(self.sources.iter().map(OsString::from));
        all
    }

    /// The arguments that remove what no rule keeps, but for how it talks; `None` if there are no rules.
    pub fn prune(&self, host: &str) -> Option<Vec<OsString>> {
        let mut all = vec!["prune".into()];
        all.extend(self.repository.arguments.iter().cloned());
        all.extend(self.arguments.iter().filter(|argument| is_limit(argument)).cloned());
        all.extend(self.keep.iter().cloned());
        let (kind, id) = &self.group;
        all.push(format!("{kind}/{}", id.as_deref().unwrap_or(host)).into());
        (!self.keep.is_empty()).then_some(all)
    }

    /// Checks that what the job needs of this machine is there: the datastore, if it is in a directory, what is backed up, and the file of
    /// the key.
    ///
    /// # Errors
    /// It is not.
    pub fn check_places(&self) -> anyhow::Result<()> {
        let line = std::iter::once("pxkit".into()).chain(self.backup());
        let cli::Command::Backup(args) = Cli::try_parse_from(line)?.command else {
            bail!("a defect of pxkit: a job that is no backup")
        };
        locate::expect(&args.repository)?;
        let places = args.sources.iter().map(Spec::path).chain(args.crypt.key.keyfile.as_deref());
        for path in places {
            // Opening a pipe would wait for whoever writes.
            path.symlink_metadata().with_context(|| format!("cannot find {}", path.display()))?;
        }
        Ok(())
    }

    fn check(&self, cli: &Command) -> anyhow::Result<()> {
        for arguments in [Some(self.backup()), self.prune("host")].into_iter().flatten() {
            let line = std::iter::once("pxkit".into()).chain(arguments);
            if let Err(error) = cli.clone().try_get_matches_from(line) {
                let text = error.to_string();
                // The first paragraph says what is wrong; the rest is how to type a command.
                let what = text.split("\n\n").next().unwrap_or_default();
                bail!("{}", what.strip_prefix("error: ").unwrap_or(what));
            }
        }
        Ok(())
    }
}

fn sources(table: &mut Table) -> anyhow::Result<Vec<String>> {
    let form = "sources is a list of NAME.pxar:DIRECTORY (or NAME.img:FILE, NAME.conf:FILE, NAME.log:FILE)";
    let Some(Value::Array(list)) = table.remove("sources") else { bail!("{form}") };
    ensure!(!list.is_empty(), "{form}");
    let one = |value: &Value| value.as_str().map(str::to_owned).context(form);
    list.iter().map(one).collect()
}

/// Rules such as `{ last = 3, daily = 7 }`.
fn keep(prune: &Command, rules: &Table) -> anyhow::Result<Vec<OsString>> {
    let mut arguments = Vec::new();
    for (key, value) in rules {
        let option = format!("keep-{key}");
        ensure!(
            options::has(prune, &option),
            "unknown rule {key}; expected last, hourly, daily, weekly, monthly or yearly"
        );
        arguments.extend(options::arguments(prune, &option, value)?);
    }
    ensure!(!arguments.is_empty(), "no rule; leave keep out if nothing is to be removed");
    Ok(arguments)
}

/// Where a secret is: `KIND-file` or `KIND-command`.
fn secret(
    table: &mut Table,
    kind: &str,
    variables: [&'static str; 2],
    environment: &mut BTreeMap<&'static str, String>,
) -> anyhow::Result<()> {
    ensure!(
        !table.contains_key(kind),
        "{kind} does not belong into a configuration file: name a file with {kind}-file, or a command with {kind}-command"
    );
    for (suffix, variable) in ["file", "command"].into_iter().zip(variables) {
        if let Some(value) = text(table, &format!("{kind}-{suffix}"))? {
            ensure!(environment.is_empty(), "either {kind}-file or {kind}-command");
            environment.insert(variable, value);
        }
    }
    Ok(())
}

fn text(table: &mut Table, key: &str) -> anyhow::Result<Option<String>> {
    text_of(table.remove(key).as_ref(), key)
}

fn text_of(value: Option<&Value>, key: &str) -> anyhow::Result<Option<String>> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => bail!("{key} is a text"),
    }
}
