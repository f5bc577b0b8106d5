import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.postgresql.util.PSQLException;

/** The story of PostgreSQL's clients for its JDBC driver. */
final class Postgres {
    private static final String URL = "jdbc:postgresql://" + System.getenv("PGWIRE") + "/levada";
    private static final int COUNT = 1_000;
    private static final String[] CARRIERS = {"AA", "DL", "UA", "WN"};
    private static final String[] CREATE = {
        "CREATE TABLE flights (id BIGINT, carrier STRING, delay INT, fare DECIMAL(10, 2)) WITH ('format' = 'json')",
        "CREATE TABLE odds (yes BOOLEAN, tiny TINYINT, small SMALLINT, whole INT, large BIGINT, real4 FLOAT,"
            + " real8 DOUBLE, exact DECIMAL(10, 3), words STRING, raw BYTES, `day` DATE, clock TIME(3),"
            + " local_time TIMESTAMP(6), moment TIMESTAMP_LTZ(3), list ARRAY<INT>) WITH ('format' = 'json')",
        "CREATE TABLE delays (carrier STRING, n BIGINT, PRIMARY KEY (carrier) NOT ENFORCED)"
            + " WITH ('connector' = 'upsert-kafka')",
        "CREATE VIEW late AS SELECT id, carrier, delay FROM flights WHERE delay > 30",
    };
    private static final String ODD = "{\"yes\": true, \"tiny\": -7, \"small\": 300, \"whole\": 70000,"
        + " \"large\": 5000000000, \"real4\": 1.5, \"real8\": 2.25e-7, \"exact\": \"-12.340\","
        + " \"words\": \"\\u00e4'\\\" x\", \"raw\": \"AP8=\", \"day\": \"2024-02-29\", \"clock\": \"12:34:56.789\","
        + " \"local_time\": \"2024-02-29 12:34:56.123456\", \"moment\": \"2024-02-29 12:34:56.789Z\","
        + " \"list\": [1, null]}";
    private static final String ENDLESS =
        "SELECT COUNT(*) FROM flights a, flights b, flights c, flights d"
            + " WHERE a.delay < b.delay AND b.delay < c.delay AND c.delay < d.delay";

    private Connection connection;

    private Postgres() throws SQLException {
        connection = connect("");
    }

    private static Connection connect(String options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", "story");
        properties.setProperty("connectTimeout", "30");
        // From the second time on a statement is prepared, and its answer comes in binary.
        properties.setProperty("prepareThreshold", "2");
        return DriverManager.getConnection(URL + options, properties);
    }

    private static String flight(int index, String carrier, int delay) {
        return "{\"id\": " + index + ", \"carrier\": \"" + carrier + "\", \"delay\": " + delay + ", \"fare\": " + index
            + ".5}";
    }

    /** Sends values, and answers where the last one is. */
    private static String produce(String topic, Integer partition, List<String> values) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", System.getenv("BOOTSTRAP"));
        ByteArraySerializer serializer = new ByteArraySerializer();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, serializer, serializer)) {
            for (String value : values) {
                byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
                sent.add(producer.send(new ProducerRecord<>(topic, partition, null, bytes)));
            }
        }
        RecordMetadata last = null;
        for (Future<RecordMetadata> each : sent) {
            last = each.get();
        }
        return topic + ":" + last.partition() + ":" + last.offset();
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    /** Rows with `|` between their values. */
    private static List<String> rows(ResultSet result) throws SQLException {
        List<String> rows = new ArrayList<>();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            List<String> row = new ArrayList<>();
            for (int column = 1; column <= columns; column++) {
                row.add(String.valueOf(result.getString(column)));
            }
            rows.add(String.join("|", row));
        }
        return rows;
    }

    private List<String> rows(String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(sql)) {
            return rows(result);
        }
    }

    private static void same(Object found, Object wanted) {
        Story.expect(found.equals(wanted), "found " + found + ", not " + wanted);
    }

    interface Action {
        void run() throws Exception;
    }

    private static PSQLException refused(String state, Action action) throws Exception {
        try {
            action.run();
        } catch (PSQLException error) {
            same(error.getSQLState(), state);
            return error;
        }
        throw new AssertionError("not refused with " + state);
    }

    private String connected() throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        same(data.getDatabaseProductName(), "PostgreSQL");
        same(data.getUserName() + " " + connection.getCatalog() + " " + connection.getSchema(), "story levada public");
        Story.expect(connection.isValid(5), "the connection is not valid");
        return data.getDatabaseProductVersion();
    }

    private String define() throws Exception {
        for (String sql : CREATE) {
            run(sql);
        }
        refused("42P07", () -> run(CREATE[0]));
        same(rows("SHOW TABLES"), List.of("delays", "flights", "late", "odds"));
        run("CREATE VIEW \"Gone\" AS SELECT \"id\" FROM \"flights\"");
        run("DROP VIEW \"Gone\"");
        List<String> flights = new ArrayList<>();
        for (int index = 0; index < COUNT; index++) {
            flights.add(flight(index, CARRIERS[index % 4], index % 60 - 10));
        }
        produce("flights", null, flights);
        produce("odds", 0, List.of(ODD, "{}"));
        return null;
    }

    private String select() throws SQLException {
        same(rows("SELECT COUNT(*), MIN(fare), MAX(id) FROM flights"), List.of(COUNT + "|0.50|999"));
        same(rows("SELECT id, delay FROM late ORDER BY id DESC LIMIT 2"), List.of("959|49", "958|48"));
        // Rows by the hundred: a portal that is left open.
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            try (ResultSet result = statement.executeQuery("SELECT id FROM flights ORDER BY id")) {
                for (long index = 0; index < COUNT; index++) {
                    Story.expect(result.next() && result.getLong(1) == index, "row " + index);
                }
                Story.expect(!result.next(), "there are more");
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
        return null;
    }

    private String types() throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM odds")) {
            for (int time = 0; time < 10; time++) {
                try (ResultSet result = statement.executeQuery()) {
                    Story.expect(result.next(), "no row");
                    odd(result);
                    Story.expect(result.next(), "no second row");
                    for (int column = 1; column <= 15; column++) {
                        Story.expect(result.getObject(column) == null, "column " + column + " is not NULL");
                    }
                }
            }
        }
        return null;
    }

    private static void odd(ResultSet result) throws SQLException {
        same(result.getBoolean(1), true);
        same(result.getInt(2) + " " + result.getShort(3) + " " + result.getInt(4), "-7 300 70000");
        same(result.getLong(5), 5_000_000_000L);
        same(result.getFloat(6) + " " + result.getDouble(7), 1.5f + " " + 2.25e-7);
        same(result.getBigDecimal(8), new BigDecimal("-12.340"));
        same(result.getString(9), "\u00e4'\" x");
        same(Base64.getEncoder().encodeToString(result.getBytes(10)), "AP8=");
        same(result.getObject(11, LocalDate.class), LocalDate.of(2024, 2, 29));
        same(result.getObject(12, LocalTime.class), LocalTime.of(12, 34, 56, 789_000_000));
        same(result.getObject(13, LocalDateTime.class), LocalDateTime.of(2024, 2, 29, 12, 34, 56, 123_456_000));
        OffsetDateTime moment = OffsetDateTime.of(2024, 2, 29, 12, 34, 56, 789_000_000, ZoneOffset.UTC);
        same(result.getObject(14, OffsetDateTime.class).toInstant(), moment.toInstant());
        same(result.getString(15), "[1,null]");
    }

    private String parameters() throws Exception {
        String sql = "SELECT COUNT(*), ?, ?, ? FROM flights WHERE carrier = ? AND delay > ? AND id IN (?, ?)"
            + " AND fare < ? AND ? < 5";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int time = 0; time < 10; time++) {
                statement.setInt(1, time);
                statement.setBytes(2, new byte[] {0, (byte) time});
                statement.setNull(3, Types.VARCHAR);
                statement.setString(4, "AA");
                statement.setInt(5, 0);
                statement.setLong(6, 12);
                statement.setLong(7, 16);
                statement.setBigDecimal(8, new BigDecimal("16.51"));
                statement.setDouble(9, 4.5);
                try (ResultSet result = statement.executeQuery()) {
                    Story.expect(result.next(), "no row");
                    same(result.getLong(1) + " " + result.getInt(2) + " " + result.getBytes(3)[1], "2 " + time + " " + time);
                    same(String.valueOf(result.getString(4)), "null");
                }
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT COUNT(*) FROM odds WHERE moment = ?")) {
            statement.setObject(1, OffsetDateTime.of(2024, 2, 29, 14, 34, 56, 789_000_000, ZoneOffset.ofHours(2)));
            same(rows(statement.executeQuery()), List.of("1"));
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM flights LIMIT ?")) {
            statement.setInt(1, 3);
            same(rows(statement.executeQuery()).size(), 3);
        }
        return null;
    }

    private String catalog() throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        List<String> found = new ArrayList<>();
        try (ResultSet tables = data.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
            while (tables.next()) {
                found.add(tables.getString("TABLE_NAME") + " " + tables.getString("TABLE_TYPE"));
            }
        }
        same(found, List.of("delays TABLE", "flights TABLE", "odds TABLE", "late VIEW"));
        found.clear();
        try (ResultSet columns = data.getColumns(null, null, "flights", "%")) {
            while (columns.next()) {
                found.add(columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME") + " "
                    + columns.getInt("DATA_TYPE") + " " + columns.getInt("COLUMN_SIZE") + " "
                    + columns.getInt("ORDINAL_POSITION") + " " + columns.getString("IS_NULLABLE"));
            }
        }
        same(found, List.of(
            "id int8 " + Types.BIGINT + " 19 1 YES",
            "carrier text " + Types.VARCHAR + " 2147483647 2 YES",
            "delay int4 " + Types.INTEGER + " 10 3 YES",
            "fare numeric " + Types.NUMERIC + " 10 4 YES"));
        keys(data);
        try (ResultSet schemas = data.getSchemas()) {
            same(rows(schemas), List.of("information_schema|null", "pg_catalog|null", "public|null"));
        }
        return null;
    }

    private static void keys(DatabaseMetaData data) throws SQLException {
        try (ResultSet keys = data.getPrimaryKeys(null, "public", "delays")) {
            same(rows(keys), List.of("null|public|delays|carrier|1|delays_pkey"));
        }
        try (ResultSet keys = data.getPrimaryKeys(null, "public", "flights")) {
            same(rows(keys), List.of());
        }
        try (ResultSet indexes = data.getIndexInfo(null, "public", "delays", true, false)) {
            Story.expect(indexes.next(), "no index");
            same(indexes.getString("INDEX_NAME") + " " + indexes.getInt("ORDINAL_POSITION") + " "
                + indexes.getString("COLUMN_NAME") + " " + indexes.getString("ASC_OR_DESC"), "delays_pkey 1 carrier A");
            Story.expect(!indexes.next(), "another index");
        }
        try (ResultSet columns = data.getBestRowIdentifier(null, "public", "delays", DatabaseMetaData.bestRowSession, true)) {
            Story.expect(columns.next() && columns.getString("COLUMN_NAME").equals("carrier"), "no identifier");
        }
        try (ResultSet references = data.getImportedKeys(null, "public", "delays")) {
            same(rows(references), List.of());
        }
    }

    private String errors() throws Exception {
        PSQLException error = refused("42601", () -> rows("SELECT id\nFROM flights WHERE"));
        same(error.getServerErrorMessage().getPosition(), 29);
        refused("42703", () -> rows("SELECT nothing FROM flights"));
        error = refused("42P01", () -> rows("SELECT id FROM flihgts"));
        same(error.getServerErrorMessage().getHint(), "did you mean `flights`?");
        refused("0A000", () -> run("UPDATE flights SET id = 1"));
        same(rows("SELECT 1"), List.of("1"));
        return null;
    }

    private String transaction() throws Exception {
        try (Connection other = connect("")) {
            other.setAutoCommit(false);
            try (Statement statement = other.createStatement()) {
                same(rows(statement.executeQuery("SELECT COUNT(*) FROM flights")), List.of(String.valueOf(COUNT)));
                other.commit();
                refused("25001", () -> statement.execute("DROP VIEW late"));
                refused("25P02", () -> statement.execute("SELECT 1"));
                other.rollback();
                statement.execute("SELECT COUNT(*) FROM late");
                other.rollback();
            }
        }
        return null;
    }

    private String readAfter() throws Exception {
        run("INSERT INTO delays SELECT carrier, COUNT(*) AS n FROM flights WHERE delay > 0 GROUP BY carrier");
        for (int index = COUNT; index < COUNT + 10; index++) {
            String end = produce("flights", null, List.of(flight(index, "ZZ", 1)));
            run("SET levada.read_after = '" + end + "'");
            same(rows("SELECT COUNT(*) FROM flights"), List.of(String.valueOf(index + 1)));
            same(rows("SELECT n FROM delays WHERE carrier = 'ZZ'"), List.of(String.valueOf(index - COUNT + 1)));
        }
        run("RESET levada.read_after");
        return null;
    }

    private String cancel() throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            refused("57014", () -> statement.executeQuery(ENDLESS));
        }
        same(rows("SELECT 1"), List.of("1"));
        return null;
    }

    private String restart(Story story) throws Exception {
        story.restart();
        try {
            rows("SELECT 1");
            throw new AssertionError("the connection outlived the server");
        } catch (PSQLException error) {
            connection = connect("");
        }
        same(rows("SELECT COUNT(*) FROM flights"), List.of(String.valueOf(COUNT + 10)));
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        Driver driver = DriverManager.getDriver("jdbc:postgresql:");
        Story story = new Story("pgjdbc", org.postgresql.util.DriverInfo.DRIVER_VERSION);
        Story.expect(driver.acceptsURL(URL), URL + " is not the driver's");
        Postgres postgres = new Postgres();
        story.step("connect", postgres::connected);
        story.step("define", postgres::define);
        story.step("select", postgres::select);
        story.step("types", postgres::types);
        story.step("parameters", postgres::parameters);
        story.step("catalog", postgres::catalog);
        story.step("errors", postgres::errors);
        story.step("transaction", postgres::transaction);
        story.step("read_after", postgres::readAfter);
        story.step("cancel", postgres::cancel);
        story.step("restart", () -> postgres.restart(story));
        story.end();
    }
}
