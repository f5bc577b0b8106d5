import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;

/**
 * Runs every operator of a folder over every kind of input and all data there, and writes what each comes to as
 * {@link Diff} does, to `INPUT-DATA-OPERATOR.rows`.
 *
 * Arguments: the folder, one for checkpoints, one for what comes out, and parts of names of operators to run, or none.
 */
public final class Matrix {
    /** What a table over two event times waits for the other, where rows are late. */
    private static final long PAUSE_MS = 2_000;

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Configuration settings = Nexmark.settings(Path.of(arguments[1]), false);
        // The watermark follows each row.
        settings.setString("pipeline.auto-watermark-interval", "0 ms");
        Path out = Path.of(arguments[2]);
        List<String> only = List.of(arguments).subList(3, arguments.length);
        for (Path input : files(folder.resolve("inputs"))) {
            String tables = Files.readString(input).replace("upsert-kafka", "rows").replace("'kafka'", "'rows'");
            for (Path data : files(folder.resolve("data"))) {
                for (Path operator : files(folder.resolve("operators"))) {
                    if (!only.isEmpty() && only.stream().noneMatch(name(operator)::contains)) {
                        continue;
                    }
                    String query = Files.readString(operator);
                    boolean hasTwoTimes = query.contains("other AS o") && query.contains("INTERVAL")
                            || query.contains("TABLE other") || query.contains("SYSTEM_TIME");
                    Rows.current = new Rows(data, hasTwoTimes && name(data).equals("late") ? PAUSE_MS : 0);
                    String cell = String.join("-", name(input), name(data), name(operator));
                    Files.write(out.resolve(cell + ".rows"),
                            Diff.lines(() -> Nexmark.run(settings, tables, query, 0, Results.Mode.KEPT)));
                }
            }
        }
        System.exit(0);
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return new ArrayList<>(files.sorted().toList());
        }
    }

    private static String name(Path path) {
        String name = path.getFileName().toString();
        return name.substring(0, name.lastIndexOf('.'));
    }
}
