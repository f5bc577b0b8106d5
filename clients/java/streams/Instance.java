import static org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.KeyValueStore;

/** One instance of a Kafka Streams application, until it is killed. Which topology it runs is its argument. */
final class Instance {
    private static final int MODULUS = 1_000_003;

    public static void main(String[] arguments) throws InterruptedException {
        String name = arguments[0];
        KafkaStreams streams = new KafkaStreams(topology(name), config(name));
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            System.err.println("a thread is replaced after: " + error);
            error.printStackTrace();
            return REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> {
            System.err.println(System.currentTimeMillis() + " " + before + " -> " + now);
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
                ended.countDown();
            }
        });
        streams.start();
        ended.await();
        System.exit(1);
    }

    private static Topology topology(String name) {
        StreamsBuilder builder = new StreamsBuilder();
        switch (name) {
            case "count" -> count(builder, name);
            case "suppress" -> suppress(builder, name);
            case "stream-table" -> streamTable(builder, name);
            case "stream-stream" -> streamStream(builder, name);
            case "foreign-key" -> foreignKey(builder, name);
            default -> throw new IllegalArgumentException("no topology `" + name + "`");
        }
        return builder.build();
    }

    /** Counts words, which are the values: grouping by them takes a topic for repartition. */
    private static void count(StreamsBuilder builder, String name) {
        KStream<String, String> in = builder.stream(name + "-in");
        in.groupBy((key, word) -> word).count(Materialized.as("counts"))
            .toStream().mapValues(count -> Long.toString(count)).to(name + "-out");
    }

    /** Folds the values of each window in the order in which they come, and tells only of windows that are closed. */
    private static void suppress(StreamsBuilder builder, String name) {
        KStream<String, String> in = builder.stream(name + "-in");
        in.groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5)))
            .aggregate(() -> "0:0", (key, value, folded) -> fold(folded, value),
                Materialized.with(Serdes.String(), Serdes.String()))
            .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
            .toStream((window, folded) -> window.key() + "@" + window.window().start())
            .to(name + "-out");
    }

    /** How many there were, and a number that depends on each of them and on their order. */
    private static String fold(String folded, String value) {
        int colon = folded.indexOf(':');
        long count = Long.parseLong(folded.substring(0, colon)) + 1;
        long mixed = (Long.parseLong(folded.substring(colon + 1)) * 31 + Long.parseLong(value)) % MODULUS;
        return count + ":" + mixed;
    }

    private static void streamTable(StreamsBuilder builder, String name) {
        KTable<String, String> table = builder.table(name + "-table", Materialized.as("table"));
        KStream<String, String> in = builder.stream(name + "-in");
        in.leftJoin(table, (event, row) -> event + "|" + row).to(name + "-out");
    }

    private static void streamStream(StreamsBuilder builder, String name) {
        KStream<String, String> left = builder.stream(name + "-left");
        KStream<String, String> right = builder.stream(name + "-right");
        JoinWindows windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), Duration.ofHours(4));
        left.join(right, (one, other) -> one + "|" + other, windows).to(name + "-out");
    }

    /** An order is `customer/version`; a customer's row is what its last update says. */
    private static void foreignKey(StreamsBuilder builder, String name) {
        KTable<String, String> orders = builder.table(name + "-orders", Materialized.as("orders"));
        KTable<String, String> customers = builder.table(name + "-customers", Materialized.as("customers"));
        Materialized<String, String, KeyValueStore<Bytes, byte[]>> joined = Materialized.as("joined");
        orders.join(customers, order -> order.substring(0, order.indexOf('/')),
            (order, customer) -> order + "|" + customer, joined).toStream().to(name + "-out");
    }

    private static Properties config(String name) {
        Map<String, Object> config = new HashMap<>();
        config.put("application.id", name);
        config.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
        config.put("state.dir", System.getenv("STATE"));
        config.put("processing.guarantee", System.getenv("GUARANTEE"));
        config.put("num.stream.threads", 2);
        config.put("num.standby.replicas", 0);
        config.put("replication.factor", 1);
        config.put("commit.interval.ms", 100);
        // Nothing waits for its commit before it is sent: who is killed leaves results behind that must not count.
        config.put("producer.linger.ms", 0);
        // Every update is passed on: what comes out does not depend on when a cache was emptied.
        config.put("statestore.cache.max.bytes", 0);
        // What was read of the topics for repartition is deleted while the application runs.
        config.put("repartition.purge.interval.ms", 1_000);
        // Tasks move to whoever joins, whether it has their state or must restore it from the changelogs.
        config.put("acceptable.recovery.lag", Long.MAX_VALUE);
        config.put("default.key.serde", Serdes.StringSerde.class);
        config.put("default.value.serde", Serdes.StringSerde.class);
        config.put("consumer.session.timeout.ms", 3_000);
        config.put("consumer.heartbeat.interval.ms", 500);
        Properties properties = new Properties();
        properties.putAll(config);
        return properties;
    }
}
