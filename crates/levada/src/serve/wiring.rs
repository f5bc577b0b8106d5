//! Puts store, broker and listeners together, says when clients are served, and ends in good order.

use super::{registry, sql};
use crate::{
    http::{self, Faces, Metric, MetricKind, Readiness},
    output::{Format, Output, note},
    settings::Settings,
};
use anyhow::Context as _;
use levada_broker::{Broker, BrokerParts, auth::AllowAll, config::BrokerConfig, config::TopicDefaults};
use levada_kafka::{Endpoint, Metrics, Server, ServerConfig, StopSignal, Tasks};
use levada_log::{Disk, disk::RealDisk};
use levada_model::{Clock, Rng, SystemClock};
use levada_store::{
    Store, StoreConfig,
    local::{Recovery, StoreParts},
};
use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Randomness of the operating system.
#[derive(Debug)]
struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }
}

/// Runs until SIGTERM or ctrl-C.
pub(super) fn serve(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("levada-net").build()?;
    runtime.block_on(serve_on(settings))
}

async fn serve_on(settings: &Settings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let names = settings.broker();
    let broker_config = BrokerConfig::from_settings(names.iter().map(|(name, value)| (*name, value.as_str())))?;
    let server_config = server_config(settings)?;
    server_config.validate()?;
    let http_listener = listen(settings, "http").await?;
    let registry_listener = registry::listen(settings).await?;
    let sql_listener = sql::listen(settings).await?;

    let data_dir = PathBuf::from(settings.text("data-dir").unwrap_or_default());
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot create `{}`", data_dir.display()))?;
    if let Some(warning) = doubtful_disk(&data_dir) {
        tracing::warn!(data_dir = %data_dir.display(), "{warning}");
    }
    let (store, recovery) = open_store(settings, &broker_config, &clock, &rng)?;
    report_recovery(&recovery);
    let tasks = Tasks::default();
    let broker = Broker::new(
        broker_config,
        BrokerParts {
            store: store.clone(),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            authorizer: Arc::new(AllowAll),
            runtime: Arc::new(tasks.clone()),
            log_dir: data_dir.display().to_string(),
        },
    );
    let server = Server::bind(server_config, Arc::clone(&broker), Arc::clone(&clock), Arc::clone(&rng))?;
    let kafka = *server.addresses().first().context("no Kafka listener")?;
    let http = http_listener.local_addr()?;
    start_http(&tasks, http_listener, &store, Arc::clone(&broker), server.metrics());
    let registry = registry_listener.map(|listener| registry::start(&tasks, listener, &broker)).transpose()?;
    let sql = match sql_listener {
        Some(listeners) => {
            let schemas = registry.as_ref().map(|registry| registry.schemas.clone());
            Some(sql::start(&tasks, listeners, &broker, (&rng, schemas), settings).await?)
        }
        None => None,
    };
    // Whoever reads that clients are served may stop the server at once.
    let stop = stop_requested();
    let (sql_address, pgwire) = (sql.as_ref().map(|sql| sql.address), sql.as_ref().and_then(|sql| sql.pgwire));
    let registry = registry.map(|registry| registry.address);
    let addresses = Addresses { kafka, http, registry, sql: sql_address, pgwire };
    announce(settings, addresses, &data_dir)?;
    if settings.flag("demo") {
        crate::demo::start(&tasks, kafka, addresses.sql);
    }
    let cut = server.run(stop).await;
    if cut > 0 {
        tracing::warn!(cut, "connections were cut at the end of the grace time");
    }
    let grace = settings.duration("shutdown-grace");
    if let Some(sql) = &sql {
        sql.close(grace).await;
    }
    broker.close();
    tasks.stop();
    tasks.join(grace).await;
    if let Some(sql) = sql {
        sql.end();
    }
    tokio::task::spawn_blocking(move || store.close()).await?;
    tracing::info!("stopped in good order");
    Ok(())
}

fn open_store(
    settings: &Settings,
    broker_config: &BrokerConfig,
    clock: &Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> anyhow::Result<(Store, Recovery)> {
    let size = |name: &str| u64::try_from(settings.size(name)).unwrap_or(0);
    let file_size = size("journal-file-size");
    let files_max = settings.size("journal-files-max");
    let capacity = file_size.saturating_mul(u64::try_from(files_max).unwrap_or(u64::MAX));
    let config = StoreConfig {
        data_dir: PathBuf::from(settings.text("data-dir").unwrap_or_default()),
        journal_file_size: file_size,
        journal_files_max: files_max,
        placed_bytes_min: settings.size("journal-bypass-min"),
        // Room for what comes while a checkpoint is taken.
        checkpoint_bytes: capacity / 8 * 5,
        checkpoint_interval: settings.duration("checkpoint-interval"),
        producers_max: settings.size("producers-per-partition-max"),
        producer_expiration: settings.duration("producer.id.expiration.ms"),
        retention_check_interval: settings.duration("retention-check-interval"),
        file_delete_delay: settings.duration("file.delete.delay.ms"),
        compaction_interval: broker_config.compaction_interval(),
        compaction_map_size_max: broker_config.compaction_map_size_max(),
        compaction_bytes_per_second_max: broker_config.compaction_bytes_per_second_max(),
        ..StoreConfig::default()
    };
    broker_config.check_batch_size(config.batch_size_max())?;
    let defaults = TopicDefaults::of(broker_config);
    let parts = StoreParts {
        disk: disk(),
        clock: Arc::clone(clock),
        rng: Arc::clone(rng),
        resolve: Arc::new(move |name, configs| defaults.topic(name, configs).log),
    };
    Ok(Store::open(config, parts)?)
}

#[cfg(not(feature = "fault-injection"))]
fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// The real disk; the process dies at the call that `LEVADA_FAULT_KILL_AT` numbers.
#[cfg(feature = "fault-injection")]
fn disk() -> Arc<dyn Disk> {
    let at = std::env::var("LEVADA_FAULT_KILL_AT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Arc::new(levada_log::disk::FaultDisk::new(Arc::new(RealDisk), at))
}

/// What is to be known of a file system on which a sync does not do what it should.
///
/// Source: statfs(2).
#[allow(clippy::useless_conversion, reason = "the type of `f_type` differs between platforms")]
fn doubtful_disk(data_dir: &std::path::Path) -> Option<&'static str> {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    const NFS: i64 = 0x6969;
    match i64::try_from(rustix::fs::statfs(data_dir).ok()?.f_type).ok()? {
        TMPFS | RAMFS => Some("the data directory is in memory: nothing survives a restart of the machine"),
        NFS => Some("the data directory is on NFS: syncs are slow, and locks may not keep a second broker away"),
        _ => None,
    }
}

fn report_recovery(recovery: &Recovery) {
    if recovery.first_start || recovery.clean {
        return;
    }
    let Recovery { frames, batches, torn_bytes, .. } = recovery;
    tracing::info!(frames, batches, torn_bytes, "recovered after an unclean end; nothing acknowledged is lost");
    for (partition, reason) in &recovery.quarantined {
        tracing::error!(%partition, %reason, "this partition is neither read nor written, all others are served; stop the broker and see `levada log repair`");
    }
}

fn server_config(settings: &Settings) -> anyhow::Result<ServerConfig> {
    let text = settings.text("kafka").unwrap_or_default();
    let mut listen: Vec<SocketAddr> = text.to_socket_addrs().with_context(|| format!("`kafka` is `{text}`"))?.collect();
    listen.sort();
    listen.dedup();
    let advertise = settings.text("advertise").and_then(|text| text.rsplit_once(':')).map(|(host, port)| Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().unwrap_or(0),
    });
    Ok(ServerConfig {
        listen,
        advertise,
        allow_anonymous: settings.flag("allow-anonymous"),
        request_size_max: settings.size("socket.request.max.bytes"),
        request_memory_size_max: settings.size("request-memory-max"),
        response_memory_size_max: settings.size("response-memory-max"),
        connection_count_max: settings.size("max.connections"),
        connection_idle_max: settings.duration("connections.max.idle.ms"),
        fetch_size_max: settings.size("fetch.max.bytes"),
        fetch_session_count_max: settings.size("max.incremental.fetch.session.cache.slots"),
        shutdown_grace: settings.duration("shutdown-grace"),
        ..ServerConfig::default()
    })
}

/// Listens where the setting `name` says.
pub(super) async fn listen(settings: &Settings, name: &str) -> anyhow::Result<tokio::net::TcpListener> {
    let text = settings.text(name).unwrap_or_default();
    let address = text.to_socket_addrs()?.next().with_context(|| format!("`{name}` is `{text}`"))?;
    if !address.ip().is_loopback() && !settings.flag("allow-anonymous") {
        anyhow::bail!("`{name}` is `{address}`, which other machines reach: add --allow-anonymous to allow that");
    }
    let hint = format!("another program has the port; choose another with --{name} ADDR, port 0 for a free one");
    tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`: {hint}"))
}

fn start_http(
    tasks: &Tasks,
    listener: tokio::net::TcpListener,
    store: &Store,
    broker: Arc<Broker>,
    kafka: Arc<Metrics>,
) {
    let (ready_store, metrics_store) = (store.clone(), store.clone());
    let faces = Faces {
        readiness: Arc::new(move || match ready_store.health().reason {
            None if broker.is_ready() => Readiness::Ready,
            None => Readiness::Unready("groups are being loaded".to_owned()),
            Some(reason) => Readiness::Unready(reason),
        }),
        metrics: Arc::new(move || {
            let mut text = String::new();
            kafka.render(&mut text).expect("a String takes what is written");
            text + &http::render(store_metrics(&metrics_store))
        }),
    };
    let mut stop: StopSignal = tasks.signal();
    tasks.spawn("http", async move {
        if let Err(error) = http::serve(listener, faces, async move { stop.given().await }).await {
            tracing::error!(%error, "the HTTP listener failed");
        }
    });
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point by their format")]
fn store_metrics(store: &Store) -> Vec<Metric> {
    let stats = store.stats();
    let image = store.image();
    let metric = |name: &'static str, help: &'static str, kind, value: f64| Metric {
        name: name.into(),
        help: help.into(),
        kind,
        labels: Vec::new(),
        value,
    };
    let counter = |name, help, value: u64| metric(name, help, MetricKind::Counter, value as f64);
    let gauge = |name, help, value: f64| metric(name, help, MetricKind::Gauge, value);
    let seconds = Duration::from_nanos(stats.journal_sync_nanos).as_secs_f64();
    vec![
        counter("levada_journal_rounds_total", "Rounds of the journal, one sync each.", stats.journal_rounds),
        counter("levada_journal_bytes_total", "Bytes of batches journalled.", stats.journal_bytes),
        counter(
            "levada_journal_bypassed_bytes_total",
            "Bytes of large batches that were synced in their segments instead.",
            stats.placed_bytes,
        ),
        metric(
            "levada_journal_sync_seconds_total",
            "Time spent in syncs of the journal.",
            MetricKind::Counter,
            seconds,
        ),
        counter("levada_store_batches_total", "Batches appended.", stats.batches),
        counter("levada_store_records_total", "Records appended.", stats.records),
        counter("levada_store_bytes_total", "Bytes appended.", stats.bytes),
        counter("levada_checkpoints_total", "Checkpoints taken.", stats.checkpoints),
        counter("levada_segment_syncs_total", "Files synced for checkpoints.", stats.segment_syncs),
        counter("levada_compactions_total", "Passes of compaction over a partition.", stats.compactions),
        counter("levada_compaction_read_bytes_total", "Bytes that compaction read.", stats.compaction_read_bytes),
        counter("levada_compaction_written_bytes_total", "Bytes it wrote.", stats.compaction_written_bytes),
        counter("levada_compaction_dropped_records_total", "Records it dropped.", stats.compaction_records_dropped),
        gauge(
            "levada_compaction_uncleanable_partitions",
            "Partitions that cannot be compacted, or not wholly.",
            stats.compaction_troubled as f64,
        ),
        gauge(
            "levada_compaction_dirty_ratio_max",
            "The largest share of a partition that waits for compaction.",
            stats.compaction_dirty_ppm as f64 / 1e6,
        ),
        gauge(
            "levada_compaction_idle_seconds",
            "Time since it was last looked what to compact, and all of that was done.",
            stats.compaction_idle.as_secs_f64(),
        ),
        gauge("levada_writable", "1 while writes are taken.", if store.health().writable { 1.0 } else { 0.0 }),
        gauge("kafka_server_replicamanager_partitioncount", "Partitions on this broker.", image.logs().count() as f64),
    ]
}

/// Where clients connect.
#[derive(Clone, Copy)]
struct Addresses {
    kafka: SocketAddr,
    http: SocketAddr,
    registry: Option<SocketAddr>,
    sql: Option<SocketAddr>,
    pgwire: Option<SocketAddr>,
}

/// The line for machines on stdout, what a newcomer needs on stderr.
fn announce(settings: &Settings, addresses: Addresses, data_dir: &std::path::Path) -> anyhow::Result<()> {
    let Addresses { kafka, http, registry, sql, pgwire } = addresses;
    let mut output = Output::new(Format::Table);
    let field = |name: &str, address: Option<SocketAddr>| {
        address.map_or_else(String::new, |address| format!(" {name}={address}"))
    };
    let others = [field("registry", registry), field("sql", sql), field("pgwire", pgwire)].concat();
    output.line(format_args!("levada ready kafka={kafka} http={http}{others}"))?;
    output.flush()?;
    let defaults = settings.broker();
    let durability = defaults.iter().find(|(name, _)| *name == "log.durability").map_or("fsync", |(_, mode)| mode);
    note(format_args!("  Kafka       {kafka}"));
    note(format_args!("  HTTP        http://{http}  (/health/ready, /metrics)"));
    if let Some(registry) = registry {
        note(format_args!("  schemas     http://{registry}"));
    }
    if let Some(sql) = sql {
        note(format_args!("  SQL         http://{sql}  (levada sql)"));
    }
    if let Some(pgwire) = pgwire {
        note(format_args!("  PostgreSQL  {pgwire}  (psql -h {} -p {})", pgwire.ip(), pgwire.port()));
    }
    note(format_args!("  data        {}", data_dir.display()));
    note(format_args!(
        "  durability  {durability}{}",
        match durability {
            "fsync" => ": what is acknowledged survives a power cut",
            "interval" => ": a power cut may take what was acknowledged in the last moments",
            _ => ": a power cut may take what was acknowledged and not yet written by the system",
        }
    ));
    let bootstrap = if kafka.port() == 9092 { String::new() } else { format!(" --bootstrap-server {kafka}") };
    if settings.flag("demo") {
        note(format_args!("  try         levada consume flights --from-beginning{bootstrap}"));
    } else {
        note(format_args!("  try         echo hello | levada produce greetings{bootstrap}"));
        note(format_args!("              levada consume greetings --from-beginning{bootstrap}"));
    }
    Ok(())
}

/// Resolves at SIGTERM or ctrl-C, which are heard from now on.
fn stop_requested() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    let hear = |kind, name| {
        // Where it cannot be heard, it ends the process as it always did.
        signal(kind).inspect_err(|error| tracing::warn!(%error, "{name} is not heard")).ok()
    };
    let (terminated, interrupted) = (hear(SignalKind::terminate(), "SIGTERM"), hear(SignalKind::interrupt(), "ctrl-C"));
    let given = async |heard: Option<Signal>| match heard {
        Some(mut heard) => drop(heard.recv().await),
        None => std::future::pending().await,
    };
    async move {
        tokio::select! {
            () = given(terminated) => {}
            () = given(interrupted) => {}
        }
        tracing::info!("stopping: requests in flight are finished");
    }
}
