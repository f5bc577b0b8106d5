import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Runs queries over the events of a file and writes what each comes to: `NAME.rows` beside a query `NAME.sql`, a line
 * for each row with how often it is there, or one that begins with `error`.
 *
 * Arguments: the file of events, that of the tables, a folder for checkpoints, a folder for what comes out, queries.
 */
public final class Diff {
    public static void main(String[] arguments) throws Exception {
        Events.load(Path.of(arguments[0]));
        String tables = Files.readString(Path.of(arguments[1]));
        var settings = Nexmark.settings(Path.of(arguments[2]), false);
        for (String query : List.of(arguments).subList(4, arguments.length)) {
            String name = Path.of(query).getFileName().toString().replace(".sql", ".rows");
            Files.write(Path.of(arguments[3]).resolve(name), lines(() -> Nexmark.run(
                    settings, tables, Files.readString(Path.of(query)), Events.count, Results.Mode.KEPT)));
        }
        System.exit(0);
    }

    interface Run {
        Clock run() throws Exception;
    }

    static List<String> lines(Run run) {
        var lines = new ArrayList<String>();
        try {
            for (Map.Entry<String, Integer> row : run.run().kept.entrySet()) {
                if (row.getValue() != 0) {
                    lines.add(row.getValue() + "\t" + escaped(row.getKey()));
                }
            }
        } catch (Exception error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            lines.add("error\t" + escaped(String.valueOf(cause.getMessage())));
        }
        return lines;
    }

    /** On one line, with bars between values, so that no two rows look alike. */
    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r")
                .replace("\t", "\\t").replace('\u001f', '|').replace("\0", "\\N");
    }
}
