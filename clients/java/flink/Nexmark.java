import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.TreeSet;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.types.AbstractDataType;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.LogicalTypeRoot;
import org.apache.flink.table.api.DataTypes;

/**
 * Runs one query over the events of a file on a cluster within this process, and says what it took.
 *
 * Arguments: the file of events, that of the tables, that of the query, that of the query whose result is checked, a
 * folder for checkpoints, `plain` or `mini-batch`.
 */
public final class Nexmark {
    /** The result is checked over this part of the events. */
    private static final int CHECKED = 4;

    /** The tables that the plan of the run under way reads. */
    static final TreeSet<String> read = new TreeSet<>();

    public static void main(String[] arguments) throws Exception {
        Events.load(Path.of(arguments[0]));
        String tables = Files.readString(Path.of(arguments[1]));
        String query = Files.readString(Path.of(arguments[2]));
        String check = Files.readString(Path.of(arguments[3]));
        Configuration settings = settings(Path.of(arguments[4]), arguments[5].equals("mini-batch"));
        // What is compiled on the way is compiled now.
        Clock checked = run(settings, tables, check, Events.count / CHECKED, Results.Mode.CHECKED);
        System.gc();
        Clock timed = run(settings, tables, query, Events.count, Results.Mode.COUNTED);
        long peakBytes = Clock.peakBytes();
        System.out.printf(
                Locale.ROOT,
                "{\"events\":%d,\"cpu_seconds\":%.6f,\"wall_seconds\":%.6f,\"result_rows\":%d,\"peak_bytes\":%d,"
                        + "\"net_rows\":%d,\"checksum\":\"%016x\"}%n",
                timed.eventsTimed(),
                timed.cpuSeconds(),
                timed.wallSeconds(),
                timed.results,
                peakBytes,
                checked.net,
                checked.checksum);
        // Threads of the cluster do not hold up the end.
        System.exit(0);
    }

    static Configuration settings(Path checkpoints, boolean isMiniBatch) {
        var settings = new Configuration();
        settings.setString("parallelism.default", "1");
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("state.backend.type", "hashmap");
        settings.setString("execution.checkpointing.interval", "10 s");
        settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        settings.setString("execution.checkpointing.storage", "filesystem");
        settings.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
        // Else a run ends no sooner than the next checkpoint.
        settings.setString("execution.checkpointing.checkpoints-after-tasks-finish", "false");
        settings.setString("taskmanager.memory.managed.size", "512m");
        settings.setString("table.local-time-zone", "UTC");
        if (isMiniBatch) {
            settings.setString("table.exec.mini-batch.enabled", "true");
            settings.setString("table.exec.mini-batch.allow-latency", "100 ms");
            settings.setString("table.exec.mini-batch.size", "50000");
        }
        return settings;
    }

    static Clock run(Configuration settings, String tables, String text, int events, Results.Mode mode)
            throws Exception {
        var environment =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        for (String table : tables.split(";")) {
            if (!table.isBlank()) {
                boolean isWhole = table.contains("WITH (") || table.contains("CREATE VIEW");
                environment.executeSql(isWhole ? table : table + " WITH ('connector' = 'replay')");
            }
        }
        Table query = environment.sqlQuery(text);
        var schema = Schema.newBuilder();
        for (var column : query.getResolvedSchema().getColumns()) {
            schema.column(column.getName(), plain(column.getDataType()));
        }
        environment.createTemporaryTable(
                "results",
                TableDescriptor.forConnector("results")
                        .schema(schema.build())
                        .option("mode", mode.name())
                        .build());
        var insert = query.insertInto("results");
        read.clear();
        insert.explain();
        var clock = new Clock(events, new TreeSet<>(read));
        Clock.current = clock;
        insert.execute().await();
        return clock;
    }

    /** A column of event time is one of time for who takes results. */
    private static AbstractDataType<?> plain(DataType type) {
        return type.getLogicalType().is(LogicalTypeRoot.TIMESTAMP_WITHOUT_TIME_ZONE) ? DataTypes.TIMESTAMP(3) : type;
    }
}
