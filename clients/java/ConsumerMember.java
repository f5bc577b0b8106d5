import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** A member of a group under {@code group.protocol=consumer}; {@code consumer_protocol.py} says what it does. */
final class ConsumerMember {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "version" -> System.out.println(AppInfoParser.getVersion());
            case "member" -> member(arguments[1], arguments[2]);
            case "describe" -> describe(arguments[1]);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void member(String group, String topic) {
        AtomicBoolean leaving = new AtomicBoolean();
        Thread listener = new Thread(() -> {
            try {
                System.in.read();
            } catch (IOException error) {
                error.printStackTrace();
            }
            leaving.set(true);
        });
        listener.setDaemon(true);
        listener.start();
        Map<String, Object> config = Map.of("bootstrap.servers", BOOTSTRAP, "group.id", group,
            "group.protocol", "consumer", "enable.auto.commit", false, "auto.offset.reset", "earliest");
        while (!leaving.get()) {
            try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                read(consumer, topic, leaving);
            } catch (IllegalStateException | KafkaException error) {
                // Frozen past its session, the client may fetch what it no longer has and throw ("No current assignment
                // for partition", 4.3.1). A program begins again then.
                error.printStackTrace();
            }
        }
    }

    private static void read(KafkaConsumer<byte[], byte[]> consumer, String topic, AtomicBoolean leaving) {
        consumer.subscribe(List.of(topic));
        int assigned = -1;
        while (!leaving.get()) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
            if (consumer.assignment().size() != assigned) {
                assigned = consumer.assignment().size();
                System.out.println("{\"assigned\": " + assigned + "}");
            }
            if (!records.isEmpty()) {
                commit(consumer, records);
            }
        }
    }

    private static void commit(KafkaConsumer<byte[], byte[]> consumer, ConsumerRecords<byte[], byte[]> records) {
        try {
            consumer.commitSync(Duration.ofSeconds(30));
        } catch (KafkaException error) {
            // Whoever has the partitions now reads the records again.
            error.printStackTrace();
            return;
        }
        StringJoiner read = new StringJoiner(", ", "{\"read\": [", "]}");
        for (ConsumerRecord<byte[], byte[]> record : records) {
            read.add(Integer.toString(Integer.parseInt(new String(record.value(), 4, 6))));
        }
        System.out.println(read);
    }

    private static void describe(String group) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP))) {
            ConsumerGroupDescription found =
                admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get(30, TimeUnit.SECONDS);
            int partitions = found.members().stream().mapToInt(each -> each.assignment().topicPartitions().size()).sum();
            String type = found.type().toString().toLowerCase(Locale.ROOT);
            String state = found.groupState().toString().toLowerCase(Locale.ROOT);
            System.out.printf("{\"type\": \"%s\", \"state\": \"%s\", \"members\": %d, \"partitions\": %d}%n", type, state,
                found.members().size(), partitions);
        }
    }
}
