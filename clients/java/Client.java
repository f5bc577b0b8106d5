import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** The story for Kafka's own Java client. */
final class Client {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
    private static final ConfigResource STORY = new ConfigResource(ConfigResource.Type.TOPIC, "story");

    public static void main(String[] arguments) {
        Story story = new Story("java", AppInfoParser.getVersion());
        story.step("create_topic", Client::createTopic);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            story.step("codec_" + codec, () -> codec(codec));
        }
        story.step("headers", Client::headers);
        story.step("null_key", () -> check(one(null, bytes("v"), List.of()).key() == null, "the key is not null"));
        story.step("null_value", () -> check(one(bytes("k"), null, List.of()).value() == null, "it is not null"));
        story.step("empty_value", () -> check(isEmpty(one(bytes("k"), new byte[0], List.of())), "it is not empty"));
        story.step("large_record", Client::largeRecord);
        story.step("group", Client::group);
        story.step("resume", () -> resume(story));
        story.step("timestamp", Client::timestamp);
        story.step("end_offsets", Client::endOffsets);
        story.step("describe_configs", Client::describeConfigs);
        story.step("alter_configs", Client::alterConfigs);
        story.step("delete_topic", Client::deleteTopic);
        story.end();
    }

    private static String check(boolean condition, String message) {
        Story.expect(condition, message);
        return "";
    }

    private static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    private static boolean isEmpty(ConsumerRecord<byte[], byte[]> record) {
        return record.value() != null && record.value().length == 0;
    }

    private static <T> T await(KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    private static void create(String topic, int partitions, Map<String, String> config) throws Exception {
        await(ADMIN.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(config))).all());
        awaitLeaders(topic, partitions);
    }

    /**
     * Waits until each partition is led. Apache Kafka names a leader before it leads: a producer that is faster
     * has its first batch refused and its second taken, after which the first is out of order for ever.
     */
    private static void awaitLeaders(String topic, int partitions) throws Exception {
        endsOf(partitions(topic, partitions));
    }

    private static long endsOf(List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        partitions.forEach(partition -> latest.put(partition, OffsetSpec.latest()));
        return await(ADMIN.listOffsets(latest).all()).values().stream().mapToLong(end -> end.offset()).sum();
    }

    private static KafkaProducer<byte[], byte[]> producer(String codec) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", BOOTSTRAP);
        config.put("compression.type", codec);
        config.put("max.request.size", 2_000_000);
        config.put("request.timeout.ms", 15_000);
        config.put("delivery.timeout.ms", 60_000);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", BOOTSTRAP);
        config.put("enable.auto.commit", false);
        config.put("auto.offset.reset", "earliest");
        config.put("session.timeout.ms", 10_000);
        config.put("heartbeat.interval.ms", 500);
        config.put("max.partition.fetch.bytes", 2_000_000);
        if (group != null) {
            config.put("group.id", group);
        }
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Sends the records from {@code from} to {@code to} and fails unless every one was acknowledged. */
    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, String label, int from, int to)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int index = from; index < to; index++) {
            sent.add(producer.send(new ProducerRecord<>(topic, Story.key(index), Story.value(label, index))));
        }
        producer.flush();
        for (Future<RecordMetadata> each : sent) {
            each.get(30, TimeUnit.SECONDS);
        }
    }

    private static void readUntil(KafkaConsumer<byte[], byte[]> consumer, Story.Seen seen, int count)
            throws InterruptedException {
        Story.until(count + " records", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(record -> seen.add(record.key(), record.value()));
            return seen.size() >= count;
        });
    }

    private static List<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(index -> new TopicPartition(topic, index)).toList();
    }

    private static String createTopic() throws Exception {
        create("story", 3, Story.TOPIC_CONFIG);
        Story.until("3 partitions in the metadata", () -> partitionsDescribed("story") == 3);
        return "";
    }

    /** How many partitions the metadata shows, 0 without the topic. */
    private static int partitionsDescribed(String topic) {
        try {
            return await(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size();
        } catch (ExecutionException error) {
            Story.expect(error.getCause() instanceof UnknownTopicOrPartitionException, error.toString());
            return 0;
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static String codec(String codec) throws Exception {
        String topic = "story-" + codec;
        create(topic, 3, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer(codec)) {
            send(producer, topic, codec, 0, Story.RECORDS);
        }
        Story.Seen seen = new Story.Seen(codec);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null)) {
            consumer.assign(partitions(topic, 3));
            consumer.seekToBeginning(consumer.assignment());
            readUntil(consumer, seen, Story.RECORDS);
        }
        seen.checkExactlyOnce(Story.RECORDS);
        return "";
    }

    private static ConsumerRecord<byte[], byte[]> readAt(TopicPartition partition, long offset) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null)) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, offset);
            List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
            Story.until("one record", () -> {
                consumer.poll(Duration.ofMillis(200)).forEach(read::add);
                return !read.isEmpty();
            });
            Story.expect(read.get(0).offset() == offset, "offset " + read.get(0).offset() + " instead of " + offset);
            return read.get(0);
        }
    }

    /** Sends one record and reads it back. */
    private static ConsumerRecord<byte[], byte[]> one(byte[] key, byte[] value, List<Header> headers) throws Exception {
        RecordMetadata sent;
        try (KafkaProducer<byte[], byte[]> producer = producer("none")) {
            sent = producer.send(new ProducerRecord<>("story", null, key, value, headers)).get(30, TimeUnit.SECONDS);
        }
        return readAt(new TopicPartition("story", sent.partition()), sent.offset());
    }

    private static String headers() throws Exception {
        List<Header> sent = List.of(
            new RecordHeader("a", bytes("1")), new RecordHeader("b", bytes("")), new RecordHeader("a", bytes("2")));
        List<Header> got = Arrays.asList(one(bytes("k"), bytes("v"), sent).headers().toArray());
        return check(got.equals(sent), "came back as " + got);
    }

    private static String largeRecord() throws Exception {
        byte[] sent = new byte[Story.LARGE_BYTES];
        for (int index = 0; index < sent.length; index++) {
            sent[index] = (byte) (index * 31 / 7);
        }
        return check(Arrays.equals(one(bytes("k"), sent, List.of()).value(), sent), "it came back changed");
    }

    /** A group member on its own thread, committing what each poll has read. */
    private static final class Member extends Thread {
        private final Story.Seen seen;
        volatile int held;
        volatile int newest = -1;
        volatile Throwable error;
        private volatile boolean leaving;

        Member(Story.Seen seen) {
            this.seen = seen;
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer("story-group")) {
                consumer.subscribe(List.of("story-group"));
                while (!leaving) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                        newest = Math.max(newest, seen.add(record.key(), record.value()));
                    }
                    held = consumer.assignment().size();
                    commit(consumer);
                }
            } catch (Throwable failure) {
                error = failure;
            }
        }

        private static void commit(KafkaConsumer<byte[], byte[]> consumer) {
            try {
                consumer.commitSync(Duration.ofSeconds(10));
            } catch (RebalanceInProgressException | CommitFailedException passing) {
                // The group changes meanwhile: what was not committed is read again.
            }
        }

        void leave() throws InterruptedException {
            leaving = true;
            join(30_000);
            Story.expect(!isAlive() && error == null, "a member does not leave: " + error);
        }
    }

    private static String group() throws Exception {
        create("story-group", 4, Map.of());
        Story.Seen seen = new Story.Seen("group");
        try (KafkaProducer<byte[], byte[]> producer = producer("none")) {
            send(producer, "story-group", "group", 0, Story.WAVE);
            Member first = new Member(seen);
            await("the first wave", () -> seen.size() == Story.WAVE, first);
            Member second = new Member(seen);
            await("both to have partitions", () -> first.held == 2 && second.held == 2, first, second);
            send(producer, "story-group", "group", Story.WAVE, 2 * Story.WAVE);
            await("the second wave", () -> seen.size() == 2 * Story.WAVE, first, second);
            Story.expect(Math.min(first.newest, second.newest) >= Story.WAVE, "one member read nothing of it");
            int members = await(ADMIN.describeConsumerGroups(List.of("story-group")).all()).get("story-group").members().size();
            Story.expect(members == 2, "the group is described with " + members + " members");
            first.leave();
            await("the second to have all partitions", () -> second.held == 4, second);
            send(producer, "story-group", "group", 2 * Story.WAVE, 3 * Story.WAVE);
            await("the third wave", () -> seen.size() == 3 * Story.WAVE, second);
            second.leave();
        }
        seen.checkAll(3 * Story.WAVE);
        return seen.repeats() + " repeats at rebalances";
    }

    private static void await(String what, java.util.function.BooleanSupplier done, Member... members)
            throws InterruptedException {
        Story.until(what, () -> {
            for (Member member : members) {
                Story.expect(member.error == null, "a member ended: " + member.error);
            }
            return done.getAsBoolean();
        });
    }

    private static String resume(Story story) throws Exception {
        String topic = "story-resume";
        int first = 3_000;
        int total = 3_500;
        create(topic, 3, Map.of());
        Story.Seen seen = new Story.Seen("resume");
        try (KafkaProducer<byte[], byte[]> producer = producer("none")) {
            send(producer, topic, "resume", 0, first);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(topic)) {
                consumer.subscribe(List.of(topic));
                readUntil(consumer, seen, first / 2);
                consumer.commitSync();
            }
            story.restart();
            awaitLeaders(topic, 3);
            send(producer, topic, "resume", first, total);
        }
        long committed = await(ADMIN.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata()).values().stream()
            .mapToLong(position -> position.offset()).sum();
        Story.expect(committed == seen.size(), seen.size() + " records were committed, the broker knows " + committed);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(topic)) {
            consumer.subscribe(List.of(topic));
            readUntil(consumer, seen, total);
        }
        seen.checkExactlyOnce(total);
        return "";
    }

    private static String timestamp() throws Exception {
        create("story-time", 1, Map.of());
        long base = System.currentTimeMillis() - 200_000;
        try (KafkaProducer<byte[], byte[]> producer = producer("none")) {
            for (int index = 0; index < 100; index++) {
                byte[] value = Story.value("time", index);
                producer.send(new ProducerRecord<>("story-time", 0, base + index * 1000L, Story.key(index), value));
            }
            producer.flush();
        }
        TopicPartition partition = new TopicPartition("story-time", 0);
        long offset;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null)) {
            offset = consumer.offsetsForTimes(Map.of(partition, base + 49_500)).get(partition).offset();
        }
        Story.expect(offset == 50, "offset " + offset + " for the time between the 50th and the 51st");
        ConsumerRecord<byte[], byte[]> record = readAt(partition, offset);
        Story.expect(record.timestamp() == base + 50_000, "its timestamp came back as " + record.timestamp());
        return check(Arrays.equals(record.value(), Story.value("time", 50)), "another record was read there");
    }

    private static String endOffsets() throws Exception {
        List<TopicPartition> partitions = partitions("story-none", 3);
        long sum = endsOf(partitions);
        Story.expect(sum == Story.RECORDS, "the end offsets sum to " + sum);
        long end;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(null)) {
            Collection<Long> ends = consumer.endOffsets(partitions).values();
            Story.expect(ends.stream().mapToLong(Long::longValue).sum() == sum, "the consumer sees " + ends);
            end = consumer.endOffsets(partitions).get(partitions.get(0));
        }
        readAt(partitions.get(0), end - 1);
        return "";
    }

    private static Config described() throws Exception {
        return await(ADMIN.describeConfigs(List.of(STORY)).all()).get(STORY);
    }

    private static String value(Config config, String name) {
        return Optional.ofNullable(config.get(name)).map(ConfigEntry::value).orElse(null);
    }

    private static String describeConfigs() throws Exception {
        Config got = described();
        Story.TOPIC_CONFIG.forEach((name, value) ->
            Story.expect(value.equals(value(got, name)), name + " is " + value(got, name)));
        return "";
    }

    private static String alterConfigs() throws Exception {
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "3600000"), AlterConfigOp.OpType.SET);
        await(ADMIN.incrementalAlterConfigs(Map.of(STORY, List.of(set))).all());
        Story.until("the new retention.ms", () -> {
            try {
                return "3600000".equals(value(described(), "retention.ms"));
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        return check("2097152".equals(value(described(), "max.message.bytes")), "another setting changed");
    }

    private static String deleteTopic() throws Exception {
        await(ADMIN.deleteTopics(List.of("story")).all());
        Story.until("the topic to be gone", () -> partitionsDescribed("story") == 0);
        return "";
    }
}
