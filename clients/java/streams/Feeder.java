import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends a file's records in their order: so many of them for each line on stdin, so many a second, or as fast as it can
 * where that is 0. A line of the file is a topic, a partition or `-` for the one of the key, a timestamp, a key and,
 * unless it is null, a value.
 */
final class Feeder {
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> lines = Files.readAllLines(Path.of(arguments[0]), StandardCharsets.UTF_8);
        int portion = Integer.parseInt(arguments[1]);
        long rate = Long.parseLong(arguments[2]);
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (KafkaProducer<String, String> producer = producer()) {
            for (int from = 0; from < lines.size(); from += portion) {
                awaitLine();
                long begun = System.nanoTime();
                int sent = 0;
                for (String line : lines.subList(from, Math.min(from + portion, lines.size()))) {
                    producer.send(record(line), (metadata, error) -> failure.compareAndSet(null, error));
                    sent++;
                    long ahead = rate == 0 ? 0 : begun + sent * 1_000_000_000L / rate - System.nanoTime();
                    if (ahead > 5_000_000) {
                        Thread.sleep(ahead / 1_000_000);
                    }
                }
            }
        }
        if (failure.get() != null) {
            throw new IllegalStateException("a record was not sent", failure.get());
        }
    }

    private static void awaitLine() throws IOException {
        int read;
        do {
            read = System.in.read();
        } while (read >= 0 && read != '\n');
    }

    private static ProducerRecord<String, String> record(String line) {
        String[] fields = line.split("\t");
        Integer partition = fields[1].equals("-") ? null : Integer.valueOf(fields[1]);
        String value = fields.length > 4 ? fields[4] : null;
        return new ProducerRecord<>(fields[0], partition, Long.valueOf(fields[2]), fields[3], value);
    }

    /** Idempotent, and patient: a broker that dies is back in seconds, and nothing may be there twice. */
    private static KafkaProducer<String, String> producer() {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
        config.put("acks", "all");
        config.put("enable.idempotence", true);
        config.put("delivery.timeout.ms", 120_000);
        config.put("request.timeout.ms", 10_000);
        config.put("max.block.ms", 60_000);
        config.put("linger.ms", 5);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }
}
