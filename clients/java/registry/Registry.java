import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.SchemaProvider;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaMetadata;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.RestService;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.Metadata;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.Rule;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.RuleKind;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.RuleMode;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.RuleSet;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroDeserializationSchema;
import org.apache.flink.formats.avro.registry.confluent.ConfluentRegistryAvroSerializationSchema;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The story of schemas for Flink's Avro format, whose records travel by Kafka's own client, and for the client of
 * Confluent's that Flink carries.
 */
final class Registry {
    private static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final String URL = System.getenv("REGISTRY");
    private static final int COUNT = 100;
    private static final String ORDER = avro("Order");
    private static final String COUNTED = avro("Order", "{\"name\":\"count\",\"type\":\"int\",\"default\":1}");
    private static final String PRICED = avro("Order", "{\"name\":\"price\",\"type\":\"double\"}");
    private static final String CART = "{\"type\":\"record\",\"name\":\"Cart\",\"namespace\":\"story\",\"fields\":"
        + "[{\"name\":\"orders\",\"type\":{\"type\":\"array\",\"items\":\"story.Order\"}}]}";

    /** What is asked of the registry. */
    private interface Ask {
        Object of(SchemaRegistryClient client) throws IOException, RestClientException;
    }

    public static void main(String[] arguments) {
        Story story = new Story("flink-registry", version());
        story.step("register", Registry::register);
        story.step("look_up", Registry::lookUp);
        story.step("avro", () -> roundTrip("avro", ORDER, ORDER));
        story.inapplicable("json", "it serializes Avro");
        story.inapplicable("protobuf", "it serializes Avro");
        story.step("references", Registry::references);
        story.inapplicable("guid", "its client is older than GUIDs");
        story.step("forward", Registry::forward);
        story.step("backward", Registry::backward);
        story.step("refuse", Registry::refuse);
        story.step("config", Registry::config);
        story.step("mode", Registry::mode);
        story.step("contract", Registry::contract);
        story.inapplicable("encrypt", "Flink obeys no rules");
        story.step("delete", Registry::delete);
        story.step("context", Registry::context);
        story.step("restart", () -> restart(story));
        story.end();
    }

    private static String version() {
        return ConfluentRegistryAvroSerializationSchema.class.getPackage().getImplementationVersion();
    }

    private static String avro(String name, String... more) {
        List<String> fields = new ArrayList<>();
        fields.add("{\"name\":\"id\",\"type\":\"long\"}");
        fields.add("{\"name\":\"item\",\"type\":\"string\"}");
        fields.addAll(List.of(more));
        return "{\"type\":\"record\",\"name\":\"" + name + "\",\"namespace\":\"story\",\"fields\":["
            + String.join(",", fields) + "]}";
    }

    /** A client of its own: nothing in its cache. */
    private static SchemaRegistryClient client() {
        return client(URL);
    }

    private static SchemaRegistryClient client(String url) {
        List<SchemaProvider> providers = List.of(new AvroSchemaProvider());
        return new CachedSchemaRegistryClient(new RestService(url), 100, providers, Map.of(), Map.of());
    }

    /** Fails unless the registry refuses with this code; the status is its first three digits. */
    private static void refused(int code, Ask ask) throws IOException {
        try {
            ask.of(client());
        } catch (RestClientException refusal) {
            int status = code > 999 ? code / 100 : code;
            String got = refusal.getErrorCode() + ", status " + refusal.getStatus() + ": " + refusal.getMessage();
            Story.expect(refusal.getErrorCode() == code && refusal.getStatus() == status, "refused with " + got);
            return;
        }
        throw new AssertionError("not refused with " + code);
    }

    private static void same(Object got, Object expected, String what) {
        Story.expect(expected.equals(got), what + ": " + got + " instead of " + expected);
    }

    private static AvroSchema schema(String text) {
        return new AvroSchema(text);
    }

    private static String register() throws Exception {
        int first = client().register("orders", schema(ORDER));
        same(client().register("orders", schema(ORDER)), first, "the id of the same schema");
        same(client().register("other-orders", schema(ORDER)), first, "its id under another subject");
        Story.expect(client().register("orders", schema(COUNTED)) != first, "another schema has the same id");
        same(client().getAllVersions("orders"), List.of(1, 2), "the versions");
        same(List.copyOf(client().getAllSubjects()), List.of("orders", "other-orders"), "the subjects");
        return "";
    }

    private static String lookUp() throws Exception {
        int first = client().getId("orders", schema(ORDER));
        same(client().getVersion("orders", schema(ORDER)), 1, "the version");
        same(client().getSchemaById(first).canonicalString(), ORDER, "its text");
        SchemaMetadata latest = client().getLatestSchemaMetadata("orders");
        same(latest.getVersion() + latest.getSchema(), 2 + COUNTED, "the latest");
        same(Set.copyOf(client().getAllSubjectsById(first)), Set.of("orders", "other-orders"), "its subjects");
        refused(40403, client -> client.getId("orders", schema(PRICED)));
        refused(40401, client -> client.getId("nobody", schema(ORDER)));
        refused(40401, client -> client.getLatestSchemaMetadata("nobody"));
        refused(40402, client -> client.getSchemaMetadata("orders", 7));
        refused(40403, client -> client.getSchemaById(999));
        return "";
    }

    private static List<GenericRecord> orders(String text) {
        Schema schema = new Schema.Parser().parse(text);
        List<GenericRecord> made = new ArrayList<>();
        for (int index = 0; index < COUNT; index++) {
            GenericRecord order = new GenericData.Record(schema);
            order.put("id", (long) index);
            order.put("item", "item " + index + " ä");
            if (schema.getField("count") != null) {
                order.put("count", 1);
            }
            made.add(order);
        }
        return made;
    }

    private static void write(String topic, String text, List<GenericRecord> records) throws Exception {
        Schema schema = new Schema.Parser().parse(text);
        var format = ConfluentRegistryAvroSerializationSchema.forGeneric(topic + "-value", schema, URL);
        Map<String, Object> settings = Map.of("bootstrap.servers", BOOTSTRAP, "max.block.ms", 30_000);
        var serializer = new ByteArraySerializer();
        try (var producer = new KafkaProducer<byte[], byte[]>(settings, serializer, serializer)) {
            List<Future<?>> sent = new ArrayList<>();
            for (GenericRecord record : records) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, format.serialize(record))));
            }
            for (Future<?> future : sent) {
                future.get();
            }
        }
    }

    private static List<byte[]> payloads(String topic) {
        Map<String, Object> settings = Map.of("bootstrap.servers", BOOTSTRAP, "enable.auto.commit", false);
        var deserializer = new ByteArrayDeserializer();
        TopicPartition partition = new TopicPartition(topic, 0);
        List<byte[]> read = new ArrayList<>();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, deserializer, deserializer)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = System.nanoTime() + 60_000_000_000L;
            while (read.size() < COUNT) {
                Story.expect(System.nanoTime() < end, "waited 60 s; of the records came " + read.size());
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    read.add(record.value());
                }
            }
        }
        return read;
    }

    /** What those who know the schema {@code text} read in a topic. */
    private static List<String> read(String topic, String text) throws IOException {
        Schema schema = new Schema.Parser().parse(text);
        var format = ConfluentRegistryAvroDeserializationSchema.forGeneric(schema, URL);
        List<String> read = new ArrayList<>();
        for (byte[] payload : payloads(topic)) {
            read.add(format.deserialize(payload).toString());
        }
        return read;
    }

    private static List<String> texts(List<GenericRecord> records) {
        return records.stream().map(GenericRecord::toString).toList();
    }

    /** Orders written with one schema, and read by those who know another. */
    private static String roundTrip(String topic, String written, String known) throws Exception {
        write(topic, written, orders(written));
        int id = client().getLatestSchemaMetadata(topic + "-value").getId();
        for (byte[] payload : payloads(topic)) {
            ByteBuffer prefix = ByteBuffer.wrap(payload);
            Story.expect(prefix.get() == 0 && prefix.getInt() == id, "a record does not begin with the id " + id);
        }
        same(read(topic, known), texts(orders(known)), "the records");
        return "";
    }

    private static String references() throws Exception {
        client().register("order", schema(ORDER));
        SchemaReference reference = new SchemaReference("story.Order", "order", 1);
        AvroSchema cart = new AvroSchema(CART, List.of(reference), Map.of("story.Order", ORDER), null);
        int id = client().register("cart", cart);
        ParsedSchema got = client().getSchemaById(id);
        same(got.references(), List.of(reference), "the references");
        same(((AvroSchema) got).rawSchema(), cart.rawSchema(), "the schema with what it refers to");
        refused(42206, client -> client.deleteSubject("order", false));
        return "";
    }

    private static String forward() throws Exception {
        client().updateCompatibility("forward-value", "FORWARD");
        client().register("forward-value", schema(ORDER));
        return roundTrip("forward", COUNTED, ORDER);
    }

    private static String backward() throws Exception {
        roundTrip("backward", ORDER, COUNTED);
        client().register("backward-value", schema(COUNTED));
        return "";
    }

    private static String refuse() throws Exception {
        client().register("refuse-value", schema(ORDER));
        same(client().testCompatibility("refuse-value", schema(ORDER)), true, "whether the same is compatible");
        same(client().testCompatibility("refuse-value", schema(PRICED)), false, "whether another is compatible");
        List<String> reasons = client().testCompatibilityVerbose("refuse-value", schema(PRICED));
        Story.expect(reasons.toString().contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "the reasons are " + reasons);
        refused(409, client -> client.register("refuse-value", schema(PRICED)));
        same(client().getAllVersions("refuse-value"), List.of(1), "the versions");
        List<GenericRecord> priced = orders(PRICED);
        priced.forEach(order -> order.put("price", 1.0));
        try {
            write("refuse", PRICED, priced);
        } catch (RuntimeException refusal) {
            Story.expect(causes(refusal).contains("error code: 409"), causes(refusal));
            return "";
        }
        throw new AssertionError("the format wrote records whose schema was refused");
    }

    private static String causes(Throwable error) {
        StringBuilder all = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            all.append(cause).append("; ");
        }
        return all.toString();
    }

    private static String config() throws Exception {
        same(client().getCompatibility(null), "BACKWARD", "the registry's level");
        client().register("config", schema(ORDER));
        refused(40408, client -> client.getCompatibility("config"));
        same(client().updateCompatibility("config", "NONE"), "NONE", "the level set");
        same(client().getCompatibility("config"), "NONE", "the level got");
        client().register("config", schema(PRICED));
        client().deleteCompatibility("config");
        refused(40408, client -> client.getCompatibility("config"));
        refused(42203, client -> client.updateCompatibility("config", "SIDEWAYS"));
        return "";
    }

    private static String mode() throws Exception {
        same(client().getMode(), "READWRITE", "the registry's mode");
        refused(40409, client -> client.getMode("mode"));
        same(client().setMode("READONLY", "mode"), "READONLY", "the mode set");
        same(client().getMode("mode"), "READONLY", "the mode got");
        refused(42205, client -> client.register("mode", schema(ORDER)));
        client().deleteMode("mode");
        client().register("mode", schema(ORDER));
        client().setMode("IMPORT", "imported");
        same(client().register("imported", schema(avro("Imported")), 5, 4711), 4711, "the id imported");
        same(client().getAllVersions("imported"), List.of(5), "the version imported");
        return "";
    }

    private static String contract() throws Exception {
        Rule rule = new Rule("few", null, RuleKind.CONDITION, RuleMode.WRITE, "CEL", Set.of("PII"), Map.of("a", "b"),
            "message.id < 10", null, "ERROR", false);
        RuleSet rules = new RuleSet(List.of(), List.of(rule));
        Map<String, Set<String>> tags = Map.of("story.Order.item", Set.of("PII"));
        Metadata metadata = new Metadata(tags, Map.of("owner", "sales"), Set.of("owner"));
        int id = client().register("contract", schema(ORDER).copy(metadata, rules));
        ParsedSchema got = client().getSchemaBySubjectAndId("contract", id);
        same(got.metadata(), metadata, "the metadata");
        same(got.ruleSet().getDomainRules(), List.of(rule), "the rules");
        same(client().getLatestWithMetadata("contract", Map.of("owner", "sales"), false).getId(), id, "by metadata");
        return "the rule is not obeyed: Flink has none";
    }

    private static String delete() throws Exception {
        int first = client().register("delete", schema(ORDER));
        int second = client().register("delete", schema(COUNTED));
        refused(40407, client -> client.deleteSchemaVersion("delete", "1", true));
        same(client().deleteSchemaVersion("delete", "1", false), 1, "the version deleted");
        same(client().getAllVersions("delete"), List.of(2), "the versions");
        refused(40406, client -> client.deleteSchemaVersion("delete", "1", false));
        same(client().getSchemaMetadata("delete", 1, true).getId(), first, "the deleted version's id");
        same(client().deleteSchemaVersion("delete", "1", true), 1, "the version deleted for good");
        refused(40402, client -> client.getSchemaMetadata("delete", 1, true));
        refused(40405, client -> client.deleteSubject("delete", true));
        same(client().deleteSubject("delete", false), List.of(2), "the versions deleted");
        refused(40404, client -> client.deleteSubject("delete", false));
        same(client().getSchemaById(second).canonicalString(), COUNTED, "the schema that its records want");
        same(client().deleteSubject("delete", true), List.of(2), "the versions deleted for good");
        refused(40401, client -> client.getAllVersions("delete"));
        return "";
    }

    private static String context() throws Exception {
        SchemaRegistryClient elsewhere = client(URL + "/contexts/.elsewhere");
        same(elsewhere.register("orders", schema(PRICED)), 1, "the first id of the context's own");
        Story.expect(client().getAllSubjects().contains(":.elsewhere:orders"), "it is not among the subjects");
        same(client().getLatestSchemaMetadata("orders").getVersion(), 2, "the latest of the other context");
        same(client().getSchemaMetadata(":.elsewhere:orders", 1).getSchema(), PRICED, "under its name");
        return "";
    }

    private static Map<String, String> latest() throws IOException, RestClientException {
        Map<String, String> all = new HashMap<>();
        for (String subject : client().getAllSubjects()) {
            SchemaMetadata latest = client().getLatestSchemaMetadata(subject);
            all.put(subject, latest.getId() + ", version " + latest.getVersion() + ": " + latest.getSchema());
        }
        return all;
    }

    private static String restart(Story story) throws Exception {
        int newest = client().register("restart", schema(avro("First")));
        Map<String, String> before = latest();
        story.restart();
        same(latest(), before, "the latest of all subjects");
        same(read("avro", ORDER), texts(orders(ORDER)), "the records from before");
        int next = client().register("next", schema(avro("Next")));
        Story.expect(next > newest, "the id " + next + " was given after " + newest);
        return "";
    }
}
