//! Apache Kafka 4.3.1 as a rig: its jars by Maven into the cache, one KRaft node on loopback, stopped,
//! killed and started again on the same ports and directory. What is asked of it is the caller's.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::process::{Process, append_to, free_port, run_logged, tail};

/// The release that Levada is compared with.
pub(crate) const VERSION: &str = "4.3.1";

const POM: &str = include_str!("../../clients/java/pom.xml");
const STREAMS_POM: &str = include_str!("../../clients/java/streams/pom.xml");
const AVRO_POM: &str = include_str!("../../clients/java/avro/pom.xml");
const REGISTRY_POM: &str = include_str!("../../clients/java/registry/pom.xml");
const POSTGRES_POM: &str = include_str!("../../clients/java/postgres/pom.xml");
const FLINK_POM: &str = include_str!("../../clients/java/flink/pom.xml");
const CLUSTER_ID: &str = "TGV2YWRhUmlnS2Fma2E0Mw";
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(540);
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const STARTED: &str = "Kafka Server started";
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Options of `xtask kafka`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where Kafka keeps its log directory, settings and output
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Kafka's port; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The JVM's heap options
    #[arg(long, default_value = DEFAULT_HEAP, allow_hyphen_values = true)]
    heap: String,
    /// A broker property, `name=value`; repeatable
    #[arg(long = "property", value_name = "NAME=VALUE")]
    properties: Vec<String>,
}

/// Starts Kafka, says where it listens, and runs it until the command is interrupted.
pub(crate) fn run(args: &Args) -> Result<()> {
    let jars = Jars::fetch(&Cache::open()?)?;
    let mut config = Config { port: args.port, heap: args.heap.clone(), ..Config::new(&args.data_dir) };
    for property in &args.properties {
        let (name, value) = property.split_once('=').with_context(|| format!("`{property}` has no `=`"))?;
        config = config.property(name, value);
    }
    let mut kafka = Kafka::start(&jars, config)?;
    println!("kafka {VERSION} ready {} pid={}", kafka.bootstrap(), kafka.pid().unwrap_or_default());
    loop {
        sleep(Duration::from_millis(200));
        if let Some(status) = kafka.exited()? {
            bail!("kafka exited: {status}");
        }
    }
}

/// Kafka's own default in `kafka-server-start.sh`.
pub(crate) const DEFAULT_HEAP: &str = "-Xmx1G -Xms1G";

/// The jars of the broker, the console tools and the Java client.
#[derive(Clone, Debug)]
pub(crate) struct Jars {
    version: String,
    folder: PathBuf,
}

impl Jars {
    /// Downloads the jars unless the cache has them.
    pub(crate) fn fetch(cache: &Cache) -> Result<Self> {
        Self::fetch_release(cache, VERSION)
    }

    /// As [`Self::fetch`], of another release.
    pub(crate) fn fetch_release(cache: &Cache, version: &str) -> Result<Self> {
        let name = if version == VERSION { "kafka".to_owned() } else { format!("kafka-{version}") };
        let pom = POM.replace(&format!("<version>{VERSION}</version>"), &format!("<version>{version}</version>"));
        Self::install(cache, &name, version, &pom)
    }

    /// The jars of Kafka Streams instead, which nobody else needs: its store is larger than all the others.
    pub(crate) fn fetch_streams(cache: &Cache) -> Result<Self> {
        Self::install(cache, "kafka-streams", VERSION, STREAMS_POM)
    }

    /// The jars of Apache Avro, which have nothing to do with Kafka's.
    pub(crate) fn fetch_avro(cache: &Cache) -> Result<Self> {
        Self::install(cache, "avro", VERSION, AVRO_POM)
    }

    /// The jars of what speaks to schema registries in Java.
    pub(crate) fn fetch_registry(cache: &Cache) -> Result<Self> {
        Self::install(cache, "registry-jars", VERSION, REGISTRY_POM)
    }

    /// The jars of PostgreSQL's driver, and of a client that produces.
    pub(crate) fn fetch_postgres(cache: &Cache) -> Result<Self> {
        Self::install(cache, "postgres-jars", VERSION, POSTGRES_POM)
    }

    /// The jar by which Flink reads and writes topics.
    pub(crate) fn fetch_flink_connector(cache: &Cache) -> Result<Self> {
        Self::install(cache, "flink-connector", VERSION, FLINK_POM)
    }

    fn install(cache: &Cache, name: &str, version: &str, pom: &str) -> Result<Self> {
        let folder = cache.install(name, pom, |folder| {
            fs::write(folder.join("pom.xml"), pom)?;
            let libs = folder.join("libs");
            if libs.exists() {
                fs::remove_dir_all(&libs)?;
            }
            let mut maven = Command::new("mvn");
            maven.current_dir(folder).args(["--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
            maven.arg(format!("-DoutputDirectory={}", libs.display()));
            run_logged("mvn", &mut maven, &folder.join("maven.log"), DOWNLOAD_LIMIT)
        })?;
        Ok(Self { version: version.to_owned(), folder: folder.join("libs") })
    }

    /// Which release.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// What `java -cp` takes.
    pub(crate) fn classpath(&self) -> String {
        format!("{}/*", self.folder.display())
    }

    /// `java` with these jars, about to run `main_class`.
    pub(crate) fn java(&self, jvm_options: &[&str], main_class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(jvm_options).args(["-cp", &self.classpath(), main_class]);
        command
    }
}

/// What a node is started with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Holds `logs/`, `server.properties` and `kafka.log`.
    pub(crate) data_dir: PathBuf,
    /// The broker's port; 0 picks a free one.
    pub(crate) port: u16,
    /// The JVM's heap options.
    pub(crate) heap: String,
    /// Properties beyond, or instead of, the ones that make it one node on loopback.
    pub(crate) properties: Vec<(String, String)>,
}

impl Config {
    /// Kafka as it ships, in `data_dir`, on a free port.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), port: 0, heap: DEFAULT_HEAP.to_owned(), properties: Vec::new() }
    }

    /// Sets one broker property.
    pub(crate) fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `server.properties`, later lines winning over earlier ones.
    fn render(&self, controller_port: u16) -> Result<String> {
        let mut text = String::from(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
        );
        writeln!(text, "listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{controller_port}", self.port)?;
        writeln!(text, "advertised.listeners=PLAINTEXT://127.0.0.1:{}", self.port)?;
        writeln!(text, "controller.quorum.voters=1@127.0.0.1:{controller_port}")?;
        writeln!(text, "log.dirs={}", self.data_dir.join("logs").display())?;
        for (name, value) in &self.properties {
            writeln!(text, "{name}={value}")?;
        }
        Ok(text)
    }
}

/// One running, stopped or killed node.
#[derive(Debug)]
pub(crate) struct Kafka {
    jars: Jars,
    config: Config,
    process: Option<Process>,
}

impl Kafka {
    /// Formats the storage where that was not done before, starts the node and waits until it accepts.
    pub(crate) fn start(jars: &Jars, mut config: Config) -> Result<Self> {
        fs::create_dir_all(&config.data_dir)?;
        config.data_dir = config.data_dir.canonicalize()?;
        if config.port == 0 {
            config.port = free_port()?;
        }
        let mut kafka = Self { jars: jars.clone(), config, process: None };
        fs::write(kafka.properties_file(), kafka.config.render(free_port()?)?)?;
        fs::write(kafka.config.data_dir.join("log4j2.properties"), LOG4J)?;
        kafka.format()?;
        kafka.start_again()?;
        Ok(kafka)
    }

    /// `host:port` for clients.
    pub(crate) fn bootstrap(&self) -> String {
        self.address().to_string()
    }

    /// The JVM's process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// How the node exited, or `None` while it runs or after a stop that was asked for.
    pub(crate) fn exited(&mut self) -> Result<Option<std::process::ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Process::exited)
    }

    /// SIGTERM, then waits for a clean shutdown.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.terminate(STOP_LIMIT)?;
        }
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts a stopped or killed node on the same port and directory; answers how long it took
    /// until it accepted.
    pub(crate) fn start_again(&mut self) -> Result<Duration> {
        let log = self.config.data_dir.join("kafka.log");
        let file = append_to(&log)?;
        let already = usize::try_from(file.metadata()?.len())?;
        let mut command = self.java("kafka.Kafka", &self.config.heap.clone());
        command.arg(self.properties_file()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let mut process = Process::spawn("Apache Kafka", &mut command)?;
        loop {
            let text = fs::read(&log)?;
            let new = String::from_utf8_lossy(text.get(already..).unwrap_or_default());
            if new.contains(STARTED) && TcpStream::connect(self.address()).is_ok() {
                self.process = Some(process);
                return Ok(started.elapsed());
            }
            if let Some(status) = process.exited()? {
                bail!("Apache Kafka exited at start: {status}; the end of its log:\n{}", tail(&log, 30));
            }
            if started.elapsed() > START_LIMIT {
                bail!("Apache Kafka accepts nothing after {START_LIMIT:?}; the end of its log:\n{}", tail(&log, 30));
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.config.port))
    }

    fn properties_file(&self) -> PathBuf {
        self.config.data_dir.join("server.properties")
    }

    fn java(&self, main_class: &str, heap: &str) -> Command {
        let logging =
            format!("-Dlog4j2.configurationFile={}", self.config.data_dir.join("log4j2.properties").display());
        let mut options: Vec<&str> = heap.split_whitespace().collect();
        options.extend(JVM_OPTIONS);
        options.push(&logging);
        let mut command = self.jars.java(&options, main_class);
        command.current_dir(&self.config.data_dir);
        command
    }

    fn format(&self) -> Result<()> {
        let mut command = self.java("kafka.tools.StorageTool", "-Xmx256M");
        command.args(["format", "--ignore-formatted", "--cluster-id", CLUSTER_ID, "--config"]);
        command.arg(self.properties_file());
        run_logged("kafka-storage format", &mut command, &self.config.data_dir.join("format.log"), FORMAT_LIMIT)
    }
}

/// What `kafka-run-class.sh` passes.
const JVM_OPTIONS: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

const LOG4J: &str = "\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
";
