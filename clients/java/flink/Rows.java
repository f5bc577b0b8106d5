import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.types.RowKind;

/** A file of rows, a line of JSON each: `{"table": {…}}`; other lines begin with `--`. */
final class Rows {
    private static final String KEYED = "_keyed";
    /** Rows of the other table by key, of which none ends. */
    private static final String RATES = "rates";
    private static final String ALL_READ = "-- restart, when all is read";

    /** The file that is read now. */
    static Rows current;

    private final List<JsonNode> lines = new ArrayList<>();
    /** How many lines come before the one that waits until they are read. */
    private int linesBefore;
    /** How long that line waits. */
    final long pauseMs;

    Rows(Path path, long pauseMs) throws IOException {
        this.pauseMs = pauseMs;
        var mapper = new ObjectMapper();
        for (String line : Files.readAllLines(path)) {
            if (line.startsWith(ALL_READ)) {
                linesBefore = lines.size();
            } else if (!line.startsWith("--")) {
                lines.add(mapper.readTree(line));
            }
        }
    }

    /** Those of a topic, as a table declares them, and how many of them come before the pause. */
    record Table(List<RowData> rows, int rowsBefore) {}

    Table table(String topic, ResolvedSchema schema) {
        boolean isKeyed = topic.endsWith(KEYED);
        boolean isRates = topic.equals(RATES);
        String table = isRates ? "other" : isKeyed ? topic.substring(0, topic.length() - KEYED.length()) : topic;
        var rows = new ArrayList<RowData>();
        int rowsBefore = 0;
        for (int place = 0; place < lines.size(); place++) {
            JsonNode row = lines.get(place).get(table);
            if (row != null && !(isRates && row.get("gone").asBoolean())) {
                rows.add(row(row, schema, isKeyed || isRates));
                rowsBefore += place < linesBefore ? 1 : 0;
            }
        }
        return new Table(rows, rowsBefore);
    }

    private static RowData row(JsonNode row, ResolvedSchema schema, boolean isKeyed) {
        var columns = schema.getColumns();
        var data = new GenericRowData(columns.size());
        for (int place = 0; place < columns.size(); place++) {
            var column = columns.get(place);
            JsonNode value = row.get(column.getName());
            data.setField(place, value.isNull() ? null : value(value, column.getDataType().getLogicalType()));
        }
        if (isKeyed) {
            data.setRowKind(row.get("gone").asBoolean() ? RowKind.DELETE : RowKind.UPDATE_AFTER);
        }
        return data;
    }

    private static Object value(JsonNode value, LogicalType type) {
        return switch (type.getTypeRoot()) {
            case BIGINT -> value.asLong();
            case BOOLEAN -> value.asBoolean();
            case VARCHAR -> StringData.fromString(value.asText());
            case TIMESTAMP_WITHOUT_TIME_ZONE ->
                    TimestampData.fromLocalDateTime(LocalDateTime.parse(value.asText().replace(' ', 'T')));
            case DECIMAL -> {
                var decimal = (DecimalType) type;
                var number = new BigDecimal(value.asText());
                yield DecimalData.fromBigDecimal(number, decimal.getPrecision(), decimal.getScale());
            }
            default -> throw new IllegalArgumentException("no row of the file has a " + type);
        };
    }
}
