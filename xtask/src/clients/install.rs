//! Puts the client libraries into the cache, each pinned by the lock file beside its stories, and
//! answers the commands that run them. Nothing is installed into the clone, and of the system only kcat and psql,
//! by root.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::getuid;

use super::roster::Client;
use crate::cache::Cache;
use crate::kafka_rig::Jars;
use crate::process::run_logged;

const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// The cache, the clone, and the installers.
pub(crate) struct Toolbox {
    cache: Cache,
    repository: PathBuf,
}

impl Toolbox {
    /// Installs into `cache` what the stories of this repository need.
    pub(crate) fn new(cache: Cache) -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        Ok(Self { cache, repository: repository.to_owned() })
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Why `client` cannot run on this machine, if it cannot. What root can install from Debian's packages is
    /// installed first.
    pub(crate) fn missing(&self, client: &Client) -> Option<String> {
        let absent = || client.needs.iter().copied().filter(|program| !on_path(program)).collect::<Vec<_>>();
        for (program, package) in [("kcat", "kcat"), ("psql", "postgresql-client")] {
            if absent().contains(&program)
                && let Err(error) = self.install(package)
            {
                return Some(format!("not on this machine: {program}; {error:#}"));
            }
        }
        let absent = absent();
        (!absent.is_empty()).then(|| format!("not on this machine: {}", absent.join(", ")))
    }

    fn install(&self, package: &str) -> Result<()> {
        ensure!(getuid().is_root() && on_path("apt-get"), "install it as root: `apt-get install {package}`");
        let log = self.cache.folder(package)?.join("install.log");
        run_logged("apt-get update", Command::new("apt-get").arg("update"), &log, INSTALL_LIMIT)?;
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--no-install-recommends", package]);
        run_logged("apt-get install", &mut install, &log, INSTALL_LIMIT)
    }

    /// A story in Python, in a virtual environment with the pinned packages.
    pub(crate) fn python(&self, story: &str) -> Result<Command> {
        let requirements = self.stories().join("python/requirements.txt");
        let environment = self.cache.install("python", &read(&requirements)?, |folder| {
            let log = folder.join("install.log");
            let mut create = Command::new("python3");
            create.args(["-m", "venv", "--clear"]).arg(folder.join("venv"));
            run_logged("python3 -m venv", &mut create, &log, INSTALL_LIMIT)?;
            let mut pip = Command::new(folder.join("venv/bin/pip"));
            pip.args(["install", "--no-input", "--requirement"]).arg(&requirements);
            run_logged("pip install", &mut pip, &log, INSTALL_LIMIT)
        })?;
        let mut command = Command::new(environment.join("venv/bin/python3"));
        command.arg(self.stories().join(story)).env("PYTHONPATH", self.stories().join("python"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    }

    /// The folder with kafka-python's source package, unpacked, and a virtual environment for its tests.
    pub(crate) fn kafka_python_sources(&self, version: &str) -> Result<PathBuf> {
        let requirements = self.stories().join("kafka-python-suite/requirements.txt");
        let recipe = format!("kafka-python {version}\n{}", read(&requirements)?);
        self.cache.install("kafka-python-suite", &recipe, |folder| {
            let log = folder.join("install.log");
            let mut create = Command::new("python3");
            create.args(["-m", "venv", "--clear"]).arg(folder.join("venv"));
            run_logged("python3 -m venv", &mut create, &log, INSTALL_LIMIT)?;
            let pip = || Command::new(folder.join("venv/bin/pip"));
            let mut install = pip();
            install.args(["install", "--no-input", "--requirement"]).arg(&requirements);
            run_logged("pip install", &mut install, &log, INSTALL_LIMIT)?;
            let mut download = pip();
            download.args(["download", "--no-input", "--no-deps", "--no-binary", "kafka-python"]);
            download.arg(format!("kafka-python=={version}")).arg("--dest").arg(folder);
            run_logged("pip download", &mut download, &log, INSTALL_LIMIT)?;
            let mut unpack = Command::new("tar");
            unpack.current_dir(folder).arg("-xzf").arg(format!("kafka_python-{version}.tar.gz"));
            run_logged("tar", &mut unpack, &log, INSTALL_LIMIT)?;
            // Left out of the package; without it Python finds its own package of this name.
            fs::write(folder.join(format!("kafka_python-{version}/test/__init__.py")), "")?;
            Ok(())
        })
    }

    /// A story for Node, run from a copy beside its `node_modules`.
    pub(crate) fn node(&self, story: &str) -> Result<Command> {
        let sources = self.stories().join("node");
        let lock = sources.join("package-lock.json");
        let folder = self.cache.install("node", &read(&lock)?, |folder| {
            fs::copy(&lock, folder.join("package-lock.json"))?;
            fs::copy(sources.join("package.json"), folder.join("package.json"))?;
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
            run_logged("npm ci", &mut npm, &folder.join("install.log"), INSTALL_LIMIT)
        })?;
        for module in files(&sources, "mjs")? {
            let name = module.file_name().context("a module has a name")?;
            fs::copy(&module, folder.join(name))?;
        }
        let mut command = Command::new("node");
        command.arg(folder.join(story));
        Ok(command)
    }

    /// A story in Go, built where its sources or the pinned modules changed.
    pub(crate) fn go(&self, story: &str) -> Result<Command> {
        let folder = self.cache.folder("go")?;
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-buildvcs=false", "-o"]).arg(folder.join(story));
        build.arg(format!("./{story}")).current_dir(self.stories().join("go"));
        run_logged("go build", &mut build, &folder.join(format!("{story}.log")), INSTALL_LIMIT)?;
        Ok(Command::new(folder.join(story)))
    }

    /// The story in Rust, its own package with its own lock file.
    pub(crate) fn rust(&self) -> Result<Command> {
        let folder = self.cache.folder("rust")?;
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--release", "--locked", "--manifest-path"]).arg(self.stories().join("rust/Cargo.toml"));
        build.arg("--target-dir").arg(folder.join("target"));
        run_logged("cargo build", &mut build, &folder.join("install.log"), INSTALL_LIMIT)?;
        Ok(Command::new(folder.join("target/release/story")))
    }

    /// A story in Java, compiled against Kafka's jars.
    pub(crate) fn java(&self, class: &str) -> Result<Command> {
        self.java_in("java", &Jars::fetch(&self.cache)?, &[], class)
    }

    /// A program of Kafka Streams, compiled against its jars.
    pub(crate) fn java_streams(&self, class: &str) -> Result<Command> {
        // It lives for seconds, over which a compiler that thinks longer never pays.
        let options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
        self.java_in("java/streams", &Jars::fetch_streams(&self.cache)?, &options, class)
    }

    /// A program that asks Apache Avro.
    pub(crate) fn java_avro(&self, class: &str) -> Result<Command> {
        self.java_in("java/avro", &Jars::fetch_avro(&self.cache)?, &[], class)
    }

    /// A story of schemas in Java.
    pub(crate) fn java_registry(&self, class: &str) -> Result<Command> {
        self.java_in("java/registry", &Jars::fetch_registry(&self.cache)?, &["-XX:TieredStopAtLevel=1"], class)
    }

    /// A story for PostgreSQL's driver in Java.
    pub(crate) fn java_postgres(&self, class: &str) -> Result<Command> {
        self.java_in("java/postgres", &Jars::fetch_postgres(&self.cache)?, &["-XX:TieredStopAtLevel=1"], class)
    }

    /// A class of the sources that lie in `folder`, which may tell a story.
    fn java_in(&self, folder: &str, jars: &Jars, options: &[&str], class: &str) -> Result<Command> {
        let mut sources = files(&self.stories().join(folder), "java")?;
        let story = self.stories().join("java/Story.java");
        if !sources.contains(&story) {
            sources.push(story);
        }
        let recipe = sources.iter().map(|source| read(source)).collect::<Result<String>>()?;
        let folder = self.cache.install(&folder.replace('/', "-"), &recipe, |folder| {
            let mut javac = Command::new("javac");
            javac.args(["-d"]).arg(folder.join("classes")).args(["-cp", &jars.classpath()]).args(&sources);
            run_logged("javac", &mut javac, &folder.join("install.log"), INSTALL_LIMIT)
        })?;
        let mut command = Command::new("java");
        let classpath = format!("{}:{}", folder.join("classes").display(), jars.classpath());
        let logging = format!("-Dlog4j2.configurationFile={}", self.stories().join("java/log4j2.properties").display());
        command.args(options).args(["-Xmx512M", &logging, "-cp", &classpath, class]);
        Ok(command)
    }

    /// A story that runs Kafka's console tools; `KAFKA_CLASSPATH` tells it where they are.
    pub(crate) fn java_tools(&self, story: &str) -> Result<Command> {
        let jars = Jars::fetch(&self.cache)?;
        let mut command = self.python(story)?;
        command.env("KAFKA_CLASSPATH", jars.classpath()).env("KAFKA_VERSION", crate::kafka_rig::VERSION);
        Ok(command)
    }

    /// The story of `group.protocol=consumer`, told by members that are `program`.
    pub(crate) fn member(&self, program: Result<Command>) -> Result<Command> {
        let program = program?;
        let words: Vec<String> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let name = words.last().and_then(|word| Path::new(word).file_stem()).unwrap_or_default();
        let mut command = self.python("python/consumer_protocol.py")?;
        command.env("MEMBER", serde_json::to_string(&words)?).env("MEMBER_NAME", name);
        Ok(command)
    }

    fn stories(&self) -> PathBuf {
        self.repository.join("clients")
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The files in `folder` with this extension, by name.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let mut wanted: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension() == Some(OsStr::new(extension))).collect();
    wanted.sort();
    Ok(wanted)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
