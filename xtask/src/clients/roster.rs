//! The clients: their names, what they need on the machine, and the command that tells their story.

use std::process::Command;

use anyhow::Result;

use super::install::Toolbox;
use super::story::{CONSUMER, GENERAL, Plot, REGISTRY, SQL};

/// What a client's program runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Runtime {
    Native,
    Python,
    Node,
    Go,
    Java,
    Rust,
}

/// One client library or tool.
pub(crate) struct Client {
    /// Its name in `--only` and in the table.
    pub(crate) name: &'static str,
    /// What it runs in.
    pub(crate) runtime: Runtime,
    /// Programs that must be found on the machine.
    pub(crate) needs: &'static [&'static str],
    /// What its story is about.
    pub(crate) plot: &'static Plot,
    /// Installs it in the cache where needed and answers the command of its story.
    pub(crate) prepare: fn(&Toolbox) -> Result<Command>,
}

/// All of them, in the order of the table.
pub(crate) fn clients() -> Vec<Client> {
    use Runtime::{Go, Java, Native, Node, Python, Rust};
    let client = |name, runtime, needs, prepare| Client { name, runtime, needs, plot: &GENERAL, prepare };
    let member = |name, runtime, needs, prepare| Client { name, runtime, needs, plot: &CONSUMER, prepare };
    let registry = |name, runtime, needs, prepare| Client { name, runtime, needs, plot: &REGISTRY, prepare };
    let sql = |name, runtime, needs, prepare| Client { name, runtime, needs, plot: &SQL, prepare };
    vec![
        client("kcat", Native, &["kcat", "python3"], |tools| tools.python("kcat/kcat.py")),
        client("confluent-kafka", Python, &["python3"], |tools| tools.python("python/confluent.py")),
        client("kafka-python", Python, &["python3"], |tools| tools.python("python/kafka_python.py")),
        client("rdkafka", Rust, &["cargo", "cc", "make"], Toolbox::rust),
        client("kafkajs", Node, &["node", "npm"], |tools| tools.node("kafkajs.mjs")),
        client("platformatic", Node, &["node", "npm"], |tools| tools.node("platformatic.mjs")),
        client("franz-go", Go, &["go"], |tools| tools.go("franz")),
        client("sarama", Go, &["go"], |tools| tools.go("sarama")),
        client("kafka-go", Go, &["go"], |tools| tools.go("segmentio")),
        client("java", Java, &["java", "javac", "mvn"], |tools| tools.java("Client")),
        client("java-tools", Java, &["java", "mvn", "python3"], |tools| tools.java_tools("java/tools.py")),
        member("confluent-kafka-848", Python, &["python3"], |tools| {
            tools.member(tools.python("python/confluent_member.py"))
        }),
        member("franz-go-848", Go, &["go", "python3"], |tools| tools.member(tools.go("nextgen"))),
        member("java-848", Java, &["java", "javac", "mvn", "python3"], |tools| {
            tools.member(tools.java("ConsumerMember"))
        }),
        registry("confluent-kafka-registry", Python, &["python3"], |tools| tools.python("python/registry.py")),
        registry("kafkajs-registry", Node, &["node", "npm"], |tools| tools.node("kafkajs-registry.mjs")),
        registry("schemaregistry", Node, &["node", "npm"], |tools| tools.node("schemaregistry.mjs")),
        registry("franz-go-sr", Go, &["go"], |tools| tools.go("registry")),
        registry("flink-registry", Java, &["java", "javac", "mvn"], |tools| tools.java_registry("Registry")),
        sql("psql", Native, &["psql", "python3"], |tools| tools.python("psql/psql.py")),
        sql("psycopg", Python, &["python3"], |tools| tools.python("python/postgres.py")),
        sql("pgjdbc", Java, &["java", "javac", "mvn"], |tools| tools.java_postgres("Postgres")),
    ]
}
